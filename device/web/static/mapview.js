// The picture, in grey, with a map over it: class switch, strength, lines, marks, true cells, where the picture looks foreign,
// and the value of a place in words. Any map on the reading's grid can be shown, not only those of the classes.
//
// In grey, because the stain's pink and violet beside the map's orange look like evidence against.

import { contoursOf } from "./contours.js";
import { byId, element, setText, show, svgElement } from "./dom.js";
import { cellWords, clearFrom, levelWords, strongFrom } from "./evidence.js";
import { firstLabel, showMarks } from "./marks.js";
import { countCells, drawOverlay, drawScale, drawWhere } from "./overlay.js";
import { mark, signed, word } from "./words.js";
import { isPartial, whereWords } from "./wheremap.js";

// Shows the map of a reading over the picture (a loaded <img> with the pixels that the box read, or null where there is
// none), first that of the class that matters most. Returns a view: `map` is what is shown now, `contours` and `marks`
// what lies over it, and `showMap({ name, values, mean, limit, blank_below })` shows another map on the same grid (`limit`
// and `blank_below`: those of the classes where left out), such as that of one unit. The class switch goes back to a class.
export function showMap(reading, picture) {
  const grid = reading.class_map;
  const { where } = reading.verdict;
  const classes = reading.prediction.probabilities;
  const canvas = byId("overlay");
  const view = { map: null, contours: [], marks: [], showMap: showAnother };
  let place = null; // the cell that is pointed at, as [row, column]

  const stack = byId("stack");
  stack.parentElement.style.setProperty("--shape", reading.image.width / reading.image.height);
  byId("picture").hidden = !picture;
  if (picture) byId("picture").src = picture.src;
  show("map-trouble", !picture);
  // What was set for another picture doesn't hold for this one.
  byId("opacity").value = byId("opacity").defaultValue;
  for (const id of ["cells", "colour"]) byId(id).checked = false;

  function draw() {
    const cells = byId("cells").checked;
    drawOverlay(canvas, view.map, { cells });
    view.contours = cells ? [] : contoursOf(view.map);
    drawContours(view.contours, view.map);
    strengthen();
    stack.classList.toggle("in-colour", byId("colour").checked);
    show("foreign", byId("where").checked);
  }

  const strengthen = () => stack.style.setProperty("--strength", byId("opacity").value / 100);

  function point(row, column) {
    place = [Math.max(0, Math.min(grid.rows - 1, row)), Math.max(0, Math.min(grid.columns - 1, column))];
    const cursor = byId("cursor");
    cursor.hidden = false;
    cursor.style.left = `${(100 * place[1]) / grid.columns}%`;
    cursor.style.top = `${(100 * place[0]) / grid.rows}%`;
    cursor.style.width = `${100 / grid.columns}%`;
    cursor.style.height = `${100 / grid.rows}%`;
    const at = place[0] * grid.columns + place[1];
    const value = view.map.values[at];
    const told = { row: place[0] + 1, column: place[1] + 1 };
    if (value === null) {
      setText("readout", word(leftOut(at), told));
    } else {
      setText("readout", word("cell_value", { ...told, value: signed(value), words: cellWords(view.map, value) }));
    }
  }

  // Why a place has no value. Of a section the verdict tells of the same places.
  function leftOut(at) {
    if (!reading.section) return "cell_bare";
    return where.values[at] > 1 ? "cell_foreign" : "cell_glass";
  }

  function pointAway() {
    place = null;
    show("cursor", false);
    setText("readout", word("map_explore"));
  }

  function showAnother(map) {
    view.map = { limit: grid.limit, blank_below: grid.blank_below, ...map, rows: grid.rows, columns: grid.columns };
    const { name } = map;
    const counts = countCells(view.map);
    show("little", counts.blank === counts.all);
    setText("map-summary", word("map_summary", {
      name, count: counts.all, for_count: counts.for, against_count: counts.against, blank_count: counts.blank,
    }));
    setText("map-mean", word("map_mean", { logit: signed(map.mean, 2) }));
    canvas.setAttribute("aria-label", word("map_label", { name }));
    for (const choice of byId("segments").querySelectorAll("input")) choice.checked = choice.value === map.label;
    showScale(view.map);
    view.marks = showMarks(reading, view.map, picture);
    draw();
    if (place) point(...place);
  }

  const showClass = ({ label, name, logit }) => showAnother({ label, name, values: grid.values[label], mean: logit });

  byId("segments").replaceChildren(...classes.map((each) => {
    const choice = element("input", { type: "radio", name: "class", value: each.label, className: "unseen" });
    choice.onchange = () => showClass(each);
    return element("label", { className: "segment" }, choice, element("span", {}, each.name));
  }));
  for (const id of ["cells", "colour", "where"]) byId(id).onchange = draw;
  byId("opacity").oninput = strengthen;
  show("hold", Boolean(picture));
  showWhileHeld(byId("hold"), (held) => stack.classList.toggle("bare", held));

  const partial = isPartial(where);
  show("where-tool", partial);
  byId("where").checked = partial && reading.verdict.caution;
  setText("where-words", partial ? whereWords(reading) : "");
  if (partial) drawWhere(byId("foreign"), where);

  canvas.onpointermove = canvas.onpointerdown = (event) => {
    const box = canvas.getBoundingClientRect();
    point(
      Math.floor(((event.clientY - box.top) / box.height) * grid.rows),
      Math.floor(((event.clientX - box.left) / box.width) * grid.columns),
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
    const [row, column] = place ?? [Math.floor(grid.rows / 2), Math.floor(grid.columns / 2)];
    if (place) point(row + step[0], column + step[1]);
    else point(row, column);
  };

  pointAway();
  showClass(classes.find((each) => each.label === firstLabel(reading)));
  return view;
}

// Calls `act(held)` when a button is pressed down, with a finger, the mouse or the keyboard, and when it is let go.
function showWhileHeld(button, act) {
  const hold = (held) => {
    button.setAttribute("aria-pressed", String(held));
    act(held);
  };
  hold(false);
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    hold(true);
  };
  button.onpointerup = button.onpointercancel = button.onblur = () => hold(false);
  button.onkeydown = ({ key }) => [" ", "Enter"].includes(key) && hold(true);
  button.onkeyup = () => hold(false);
  button.oncontextmenu = (event) => event.preventDefault(); // a long touch
}

function drawContours(contours, { rows, columns }) {
  const canvas = byId("contours");
  canvas.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  // Light beneath dark, so that a line shows on any ground.
  const line = (name, { level, strong, path }) => svgElement("path", {
    d: path, class: `${name} ${level > 0 ? "for" : "against"} ${strong ? "strong" : "clear"}`,
  });
  canvas.replaceChildren(...["line-under", "line"].flatMap((name) => contours.map((each) => line(name, each))));
}

// The scale with its levels: those at which lines are drawn.
function showScale(map) {
  const scale = byId("scale");
  const context = scale.getContext("2d");
  context.clearRect(0, 0, scale.width, scale.height);
  const levels = [clearFrom(map), strongFrom(map)];
  drawScale(context, map, { x: 0, y: 0, width: scale.width, height: scale.height, levels });
  const ticks = [-map.limit, ...levels.map((level) => -level).reverse(), 0, ...levels, map.limit];
  byId("ticks").replaceChildren(...ticks.map((value) => {
    const tick = element("span", {}, mark(value));
    tick.style.left = `${50 + (50 * value) / map.limit}%`;
    return tick;
  }));
  setText("legend-levels", levelWords(map));
}
