// The viewer: one photo large, with a divider between before and after.

const viewer = at("viewer");
const stage = at("stage");
const frame = at("frame");
const split = at("split");
let present = null;
let zoom = "fit";

function view(photo) {
  present = photo;
  if (!viewer.open) {
    viewer.showModal();
    history.pushState({ viewer: true }, "");
  }
  load();
  split.focus();
}

function load() {
  const photo = present;
  const { pictures } = photo;
  const place = shown.findIndex((item) => item.photo === photo);
  at("viewer-name").replaceChildren(make("bdi", "", photo.name));
  at("viewer-place").textContent = `${number(place + 1)} of ${number(shown.length)}`;
  at("previous").disabled = !neighbour(-1);
  at("next").disabled = !neighbour(1);
  pairs(at("details"), [
    ["Original", `${sizeOf(pictures.before)} pixels`],
    ["Result", photo.result],
    ["Result's size", `${sizeOf(pictures.after)} pixels`],
    ["Time", photo.seconds === null ? "" : duration(photo.seconds)],
    ["Mean change", `${pictures.change.toFixed(1)} of 255`],
    ["Note", photo.about],
    ...Object.entries(report.recipes[photo.recipe]).map(([name, value]) => [capital(name), value]),
  ]);
  draw();
  for (const direction of [1, -1]) {
    const other = neighbour(direction);
    if (other) for (const view of ["before", "after"]) new Image().src = file(other, view);
  }
}

/** Show the present photo at the present zoom. */
function draw() {
  const { pictures } = present;
  const close = zoom === "full";
  const suffix = close && pictures.crop ? "-100" : "";
  for (const view of ["before", "after"]) {
    const source = file(present, view + suffix);
    if (at(view).getAttribute("src") !== source) at(view).src = source;
  }
  stage.classList.toggle("close-up", close);
  choose(at("zooms"), zoom);
  at("zoom-note").textContent = !close
    ? ""
    : pictures.crop
      ? `The ${pictures.crop[2]} × ${pictures.crop[3]} pixels that changed most`
      : "The whole picture, pixel for pixel";
  measure();
  if (close) {
    stage.scrollLeft = (stage.scrollWidth - stage.clientWidth) / 2;
    stage.scrollTop = (stage.scrollHeight - stage.clientHeight) / 2;
  }
}

function measure() {
  if (!present) return;
  const { after, crop } = present.pictures;
  const [width, height] = zoom === "full" && crop ? crop.slice(2) : after;
  const factor =
    zoom === "full"
      ? 1 / devicePixelRatio
      : Math.min(stage.clientWidth / width, stage.clientHeight / height, 1);
  frame.style.width = `${width * factor}px`;
  frame.style.height = `${height * factor}px`;
  split.style.width = `${Math.min(width * factor, stage.clientWidth)}px`;
}

function slide(value) {
  split.value = Math.min(100, Math.max(0, value));
  const before = Math.round(split.value);
  frame.style.setProperty("--split", `${split.value}%`);
  frame.classList.toggle("only-before", before >= 100);
  frame.classList.toggle("only-after", before <= 0);
  split.setAttribute("aria-valuetext", `${before} % before, ${100 - before} % after`);
  choose(at("views"), before >= 100 ? "before" : before <= 0 ? "after" : "split");
}

function neighbour(direction) {
  let place = shown.findIndex((item) => item.photo === present);
  do place += direction; while (shown[place] && !shown[place].photo.pictures);
  return shown[place]?.photo;
}

function step(direction) {
  const other = neighbour(direction);
  if (!other) return;
  present = other;
  load();
}

function setZoom(value) {
  zoom = value;
  draw();
}

const VIEWS = { before: 100, split: 50, after: 0 };
choices(
  at("views"),
  Object.keys(VIEWS).map((name) => [name, capital(name)]),
  (name) => slide(VIEWS[name]),
);
choices(at("zooms"), [["fit", "Fit"], ["full", "100 %"]], setZoom);
split.addEventListener("input", () => slide(split.valueAsNumber));
at("close").addEventListener("click", () => viewer.close());
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
viewer.addEventListener("close", () => {
  if (viewer.open) return; // opened again before this was heard of
  const item = items.find((other) => other.photo === present);
  present = null;
  if (history.state?.viewer) history.back();
  item?.element.querySelector("button")?.focus();
});
// The back button of a phone closes the viewer.
addEventListener("popstate", () => viewer.open && viewer.close());
viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    b: () => slide(100), s: () => slide(50), a: () => slide(0),
    z: () => setZoom(zoom === "fit" ? "full" : "fit"),
    n: () => step(1), p: () => step(-1),
  };
  const act = acts[event.key.toLowerCase()];
  if (act) {
    event.preventDefault();
    act();
  }
});

// Dragging moves the divider; at 100 % a mouse moves the picture unless it is on the divider.
frame.addEventListener("pointerdown", (event) => {
  const onDivider = event.target === at("divider");
  if (event.button || (zoom === "full" && !onDivider && event.pointerType !== "mouse")) return;
  const pans = zoom === "full" && !onDivider;
  let [x, y] = [event.clientX, event.clientY];
  const follow = (moved) => {
    if (pans) {
      stage.scrollBy(x - moved.clientX, y - moved.clientY);
      [x, y] = [moved.clientX, moved.clientY];
    } else {
      const box = frame.getBoundingClientRect();
      slide((100 * (moved.clientX - box.left)) / box.width);
    }
  };
  frame.setPointerCapture(event.pointerId);
  if (!pans) follow(event);
  frame.addEventListener("pointermove", follow);
  const end = () => frame.removeEventListener("pointermove", follow);
  frame.addEventListener("lostpointercapture", end, { once: true });
});
new ResizeObserver(measure).observe(stage);

slide(50);
