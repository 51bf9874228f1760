
"use strict";
// The page: what the run came to, and the list of photos. viewer.js follows in the same script.

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
const capital = (text) => text[0].toUpperCase() + text.slice(1);
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
const tone = (state) => (state === "failed" ? "bad" : "");
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
  const done =
    counts.done === total ? photosOf(total) : `${number(counts.done)} of ${photosOf(total)}`;
  at("title").append(make("bdi", "", report.title));
  at("lead").textContent = `${done} restored. ${ends[report.state]}`;
  const times = report.photos.map((photo) => photo.seconds).filter((time) => time !== null);
  times.sort((a, b) => a - b);
  const facts = STATES.filter(([state]) => state === "done" || counts[state])
    .map(([state, label]) => [label, number(counts[state]), tone(state)]);
  if (report.seconds !== null) facts.push(["This run", duration(report.seconds), ""]);
  if (times.length) {
    facts.push(["Median photo", duration(times[Math.floor(times.length / 2)]), ""]);
    facts.push(["Slowest photo", duration(times[times.length - 1]), ""]);
  }
  for (const [label, value, className] of facts) {
    at("facts").append(make("div", className, make("dt", "", label), make("dd", "", value)));
  }
  pairs(at("settings"), [
    ...Object.entries(report.recipes[0]).map(([name, value]) => [capital(name), value]),
    ["Originals", report.source],
    ["Results", report.results.join(", ")],
  ]);
  at("footer").textContent =
    `Written ${report.written} by dinplug ${report.version}. ` +
    "Previews are 8-bit sRGB; results keep their own depth and profile.";
}

// The photos.

const names = Object.fromEntries(STATES);
const file = (photo, view) => `${report.pictures}/${photo.pictures.key}-${view}.jpg`;

function nameOf(photo) {
  const cut = photo.name.lastIndexOf("/") + 1;
  const parts = [make("bdi", "", photo.name.slice(cut))];
  if (cut) {
    const folder = make("bdi", "", photo.name.slice(0, cut));
    parts.unshift(make("span", "folder", folder, make("wbr")));
  }
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
  if (photo.about && (photo.status !== "done" || !photo.pictures)) {
    text.append(make("span", "reason", make("bdi", "", photo.about)));
  }
  if (!photo.pictures) return make("div", `card ${photo.status}`, text);
  const image = make("img");
  Object.assign(image, { alt: "", loading: "lazy", decoding: "async", width: 480, height: 320 });
  image.src = file(photo, "thumb");
  const button = make("button", `card ${photo.status}`, image, text);
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => view(photo));
  return button;
}

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const items = report.photos.map((photo, index) => ({
  photo,
  index,
  text: plain(`${photo.name} ${photo.result} ${photo.about}`),
  element: make("li", "", card(photo)),
}));
const ranks = {
  failed: ({ photo }) => ({ failed: 0, waiting: 2 })[photo.status] ?? 1,
  path: () => 0,
  slow: ({ photo }) => -(photo.seconds ?? -1),
  change: ({ photo }) => -(photo.pictures?.change ?? -1),
};
let filter = "all";
let shown = [];

function show() {
  const words = plain(at("search").value).split(/\s+/).filter(Boolean);
  for (const item of items) {
    const chosen = filter === "all" || item.photo.status === filter;
    item.element.hidden = !chosen || !words.every((word) => item.text.includes(word));
  }
  shown = items.filter((item) => !item.element.hidden);
  const all = photosOf(items.length);
  at("count").textContent =
    shown.length === items.length ? all : `${number(shown.length)} of ${all}`;
  at("none").hidden = shown.length > 0;
}

function sort() {
  const rank = ranks[at("sort").value];
  items.sort((a, b) => rank(a) - rank(b) || a.index - b.index);
  at("photos").append(...items.map((item) => item.element));
  show();
}

head();
choices(
  at("filters"),
  [
    ["all", `All ${number(items.length)}`],
    ...STATES.filter(([state]) => counts[state])
      .map(([state, label]) => [state, `${label} ${number(counts[state])}`, tone(state)]),
  ],
  (state) => {
    filter = state;
    show();
  },
);
choose(at("filters"), filter);
at("search").addEventListener("input", show);
at("sort").addEventListener("change", sort);
addEventListener("keydown", (event) => {
  if (event.key === "/" && !viewer.open && document.activeElement !== at("search")) {
    event.preventDefault();
    at("search").focus();
  }
});
sort();
