
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);

/** Make an element; text is text, never markup. */
function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const number = (value) => value.toLocaleString("en-GB");
const photosOf = (count) => `${number(count)} photo${count === 1 ? "" : "s"}`;
const sizeOf = ([width, height]) => `${width} × ${height}`;

function pairs(list, values) {
  list.replaceChildren();
  for (const [name, value] of values) {
    if (value !== "" && value !== null && value !== undefined) {
      const text = make("bdi", "", value);
      list.append(make("dt", "", name), make("dd", "", text));
    }
  }
}

/** Fill a fieldset with radio buttons: [value, label, class]. */
function choices(fieldset, values, onChange) {
  for (const [value, label, className] of values) {
    const input = make("input");
    Object.assign(input, { type: "radio", name: fieldset.id, value });
    input.addEventListener("change", () => onChange(value));
    fieldset.append(make("label", "", input, make("span", className || "", label)));
  }
}

function choose(fieldset, value) {
  for (const input of fieldset.querySelectorAll("input")) input.checked = input.value === value;
}

// The head of the page.

const STATES = [
  ["done", "Restored"],
  ["failed", "Failed"],
  ["skipped", "Skipped"],
  ["waiting", "Not done yet"],
];
const counts = Object.fromEntries(
  STATES.map(([state]) => [state, report.photos.filter((photo) => photo.status === state).length]),
);

function head() {
  const total = report.photos.length;
  const ends = {
    "running": "The run goes on; reload this page to see more.",
    "interrupted": "The run was interrupted; the same command goes on from here.",
    "ended early": "The run ended early; the same command goes on from here.",
    "finished": "",
  };
  const done = counts.done === total ? photosOf(total) : `${number(counts.done)} of ${photosOf(total)}`;
  at("title").append(make("bdi", "", report.title));
  at("lead").textContent = `${done} restored. ${ends[report.state]}`;
  const times = report.photos.map((photo) => photo.seconds).filter((s) => s !== null).sort((a, b) => a - b);
  const facts = STATES.filter(([state]) => state === "done" || counts[state])
    .map(([state, label]) => [label, number(counts[state]), state === "failed" ? "bad" : ""]);
  if (report.seconds !== null) facts.push(["This run", duration(report.seconds), ""]);
  if (times.length) {
    facts.push(["Median photo", duration(times[Math.floor(times.length / 2)]), ""]);
    facts.push(["Slowest photo", duration(times[times.length - 1]), ""]);
  }
  for (const [label, value, className] of facts) {
    at("facts").append(make("div", className, make("dt", "", label), make("dd", "", value)));
  }
  pairs(at("settings"), [
    ...Object.entries(report.recipes[0]),
    ["originals", report.source],
    ["results", report.results.join(", ")],
  ]);
  at("footer").textContent =
    `Written ${report.written} by dinplug ${report.version}. Previews are 8-bit sRGB; results keep their own depth and profile.`;
}

// The photos.

const names = Object.fromEntries(STATES);
const file = (photo, view) =>
  `${encodeURIComponent(report.pictures)}/${photo.pictures.key}-${view}.jpg`;

function nameOf(photo) {
  const cut = photo.name.lastIndexOf("/") + 1;
  const parts = [make("bdi", "", photo.name.slice(cut))];
  if (cut) parts.unshift(make("span", "folder", make("bdi", "", photo.name.slice(0, cut)), make("wbr")));
  return make("span", "name", ...parts);
}

function card(photo) {
  const text = make("span", "text", nameOf(photo));
  if (photo.status === "done") {
    const facts = [];
    if (photo.seconds !== null) facts.push(duration(photo.seconds));
    if (photo.pictures) facts.push(sizeOf(photo.pictures.after));
    text.append(make("span", "quiet", facts.join(" · ")));
  } else {
    text.append(make("span", "quiet state", names[photo.status]));
  }
  if (photo.status === "failed" || photo.status === "skipped" || (photo.about && !photo.pictures)) {
    text.append(make("span", "reason", make("bdi", "", photo.about)));
  }
  if (!photo.pictures) return make("div", `card ${photo.status}`, text);
  const image = make("img");
  Object.assign(image, { alt: "", loading: "lazy", decoding: "async", width: 480, height: 320 });
  image.src = file(photo, "thumb");
  const button = make("button", `card ${photo.status}`, image, text);
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => open(photo));
  return button;
}

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const items = report.photos.map((photo, index) => ({
  photo,
  index,
  text: plain(`${photo.name} ${photo.result} ${photo.about}`),
  element: make("li", "", card(photo)),
}));
const urgency = { failed: 0, waiting: 2 };
const orders = {
  order: (a, b) => (urgency[a.photo.status] ?? 1) - (urgency[b.photo.status] ?? 1) || a.index - b.index,
  name: (a, b) => a.index - b.index,
  slow: (a, b) => (b.photo.seconds ?? -1) - (a.photo.seconds ?? -1) || a.index - b.index,
  change: (a, b) => (b.photo.pictures?.change ?? -1) - (a.photo.pictures?.change ?? -1) || a.index - b.index,
};
let filter = "all";
let shown = [];

function show() {
  const words = plain(at("search").value).split(/\s+/).filter(Boolean);
  for (const item of items) {
    const fits = (filter === "all" || item.photo.status === filter) && words.every((word) => item.text.includes(word));
    item.element.hidden = !fits;
  }
  shown = items.filter((item) => !item.element.hidden);
  at("count").textContent =
    shown.length === items.length ? photosOf(items.length) : `${number(shown.length)} of ${photosOf(items.length)}`;
  at("none").hidden = shown.length > 0;
}

function sort() {
  items.sort(orders[at("sort").value]);
  at("photos").append(...items.map((item) => item.element));
  show();
}

// The viewer.

const viewer = at("viewer");
const stage = at("stage");
const frame = at("frame");
const split = at("split");
let present = null;
let zoom = "fit";

function open(photo) {
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
  at("viewer-place").textContent = place < 0 ? "" : `${number(place + 1)} of ${number(shown.length)}`;
  at("previous").disabled = !neighbour(-1);
  at("next").disabled = !neighbour(1);
  pairs(at("details"), [
    ["Original", `${sizeOf(pictures.before)} pixels`],
    ["Result", photo.result],
    ["Result's size", `${sizeOf(pictures.after)} pixels`],
    ["Time", photo.seconds === null ? "" : duration(photo.seconds)],
    ["Mean change", `${pictures.change.toFixed(1)} of 255`],
    ["Note", photo.about],
    ...Object.entries(report.recipes[photo.recipe] ?? {}).map(([name, value]) => [name[0].toUpperCase() + name.slice(1), value]),
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
choices(at("views"), [["before", "Before"], ["split", "Split"], ["after", "After"]], (view) => slide(VIEWS[view]));
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

head();
choices(
  at("filters"),
  [["all", `All ${number(items.length)}`], ...STATES.filter(([state]) => counts[state])
    .map(([state, label]) => [state, `${label} ${number(counts[state])}`, state === "failed" ? "bad" : ""])],
  (state) => { filter = state; show(); },
);
choose(at("filters"), filter);
at("search").addEventListener("input", show);
at("sort").addEventListener("change", sort);
addEventListener("keydown", (event) => {
  if (event.key === "/" && !viewer.open && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    at("search").focus();
  }
});
slide(50);
sort();
