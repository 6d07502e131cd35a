// The picture with the map of one class over it: class switch, opacity, true cells, and the value of a place in words.

import { byId, element, setText, show } from "./dom.js";
import { cellValue, countCells, drawOverlay, drawScale } from "./overlay.js";
import { mark, signed, word } from "./words.js";

const SHAPE_TOLERANCE = 0.02; // browser and box may round a side differently; a quarter turn is far beyond

export function cellWords(map, value, name) {
  const size = Math.abs(value);
  if (size < map.blank_below) return word("cell_blank", { name });
  const side = value > 0 ? "for" : "against";
  const strength = size < map.limit / 3 ? "weak" : size < (2 * map.limit) / 3 ? "clear" : "strong";
  return word(`cell_${side}_${strength}`, { name });
}

// A map laid over a picture that the browser turned otherwise than the box would point at the wrong tissue. All browsers
// turn a JPEG as its EXIF says; with other formats they differ, and half a turn can't be told from the shape.
function surelyUpright(picture, image) {
  if (image.notes.includes("exif_rotated") && image.format !== "JPEG") return false;
  const ratio = (picture.naturalWidth / picture.naturalHeight) / (image.width / image.height);
  return Math.abs(Math.log(ratio)) < SHAPE_TOLERANCE;
}

// Shows the map of a reading over the picture (a loaded <img>, or null where the browser can't show it).
// Returns what the exports need: the class shown now and how.
export function showMap(reading, picture) {
  const map = reading.class_map;
  const classes = reading.prediction.probabilities;
  const canvas = byId("overlay");
  const overlaid = !picture || surelyUpright(picture, reading.image);
  const view = { label: reading.prediction.label, name: reading.prediction.name, overlaid };
  let place = null; // the cell that is pointed at, as [row, column]

  const stack = byId("stack");
  const shape = picture && !overlaid ? picture.naturalWidth / picture.naturalHeight
    : reading.image.width / reading.image.height;
  stack.style.setProperty("--shape", shape);
  byId("picture").hidden = !picture;
  if (picture) byId("picture").src = picture.src;
  for (const id of ["overlay", "tools", "legend", "readout", "classes"]) show(id, overlaid);
  show("map-trouble", !picture || !overlaid);
  setText("map-trouble", word(overlaid ? "map_undrawable" : "map_mismatch"));

  function draw() {
    drawOverlay(canvas, map, view.label, { cells: byId("cells").checked });
    canvas.style.opacity = byId("opacity").value / 100;
    byId("picture").classList.toggle("grey", byId("grey").checked);
  }

  function point(row, column) {
    place = [Math.max(0, Math.min(map.rows - 1, row)), Math.max(0, Math.min(map.columns - 1, column))];
    const cursor = byId("cursor");
    cursor.hidden = false;
    cursor.style.left = `${(100 * place[1]) / map.columns}%`;
    cursor.style.top = `${(100 * place[0]) / map.rows}%`;
    cursor.style.width = `${100 / map.columns}%`;
    cursor.style.height = `${100 / map.rows}%`;
    const value = cellValue(map, view.label, ...place);
    setText("readout", word("cell_value", {
      row: place[0] + 1, column: place[1] + 1, value: signed(value), words: cellWords(map, value, view.name),
    }));
  }

  function pointAway() {
    place = null;
    show("cursor", false);
    setText("readout", word("map_explore"));
  }

  function showClass({ label, name, logit }) {
    Object.assign(view, { label, name });
    const counts = countCells(map, label);
    show("little", overlaid && counts.blank === counts.all);
    setText("map-summary", word("map_summary", {
      name, count: counts.all, for_count: counts.for, against_count: counts.against, blank_count: counts.blank,
    }));
    setText("map-mean", word("map_mean", { logit: signed(logit, 2) }));
    canvas.setAttribute("aria-label", word("map_label", { name }));
    draw();
    if (place) point(...place);
  }

  byId("segments").replaceChildren(...classes.map((each) => {
    const choice = element("input", { type: "radio", name: "class", value: each.label, className: "unseen" });
    choice.checked = each.label === view.label;
    choice.onchange = () => showClass(each);
    return element("label", { className: "segment" }, choice, element("span", {}, each.name));
  }));
  for (const id of ["cells", "grey"]) byId(id).onchange = draw;
  byId("opacity").oninput = draw;

  canvas.onpointermove = canvas.onpointerdown = (event) => {
    const box = canvas.getBoundingClientRect();
    point(
      Math.floor(((event.clientY - box.top) / box.height) * map.rows),
      Math.floor(((event.clientX - box.left) / box.width) * map.columns),
    );
  };
  // On a touch screen the value stays when the finger leaves.
  canvas.onpointerleave = (event) => event.pointerType === "mouse" && pointAway();
  canvas.onblur = pointAway;
  canvas.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Escape") pointAway();
    if (!step) return;
    event.preventDefault();
    const [row, column] = place ?? [Math.floor(map.rows / 2), Math.floor(map.columns / 2)];
    if (place) point(row + step[0], column + step[1]);
    else point(row, column);
  };

  const scale = byId("scale");
  const context = scale.getContext("2d");
  context.clearRect(0, 0, scale.width, scale.height);
  drawScale(context, map, { x: 0, y: 0, width: scale.width, height: scale.height });
  const ticks = [-map.limit, -map.blank_below, 0, map.blank_below, map.limit];
  byId("ticks").replaceChildren(...ticks.map((value, index) => {
    const beyond = index === 0 ? "\u2264 " : index === 4 ? "\u2265 " : "";
    const tick = element("span", {}, beyond + mark(value));
    tick.style.left = `${50 + (50 * value) / map.limit}%`;
    return tick;
  }));

  pointAway();
  showClass(classes.find((each) => each.label === view.label));
  return view;
}
