// The picture, in grey, with a map over it: class switch, strength, lines, marks, true cells, where the picture looks foreign,
// and the value of a place in words. Any map on the reading's grid can be shown, not only those of the classes.
//
// In grey, because the stain's pink and violet beside the map's orange look like evidence against.

import { contoursOf } from "./contours.js";
import { byId, canvasById, contextOf, element, inputById, setText, show, svgElement } from "./dom.js";
import { cellWords, clearFrom, levelWords, strongFrom } from "./evidence.js";
import { firstLabel, showMarks } from "./marks.js";
import { countCells, drawOverlay, drawScale, drawWhere, placeOverRead } from "./overlay.js";
import { mappedClasses } from "./reading.js";
import { mark, signed, word } from "./words.js";
import { isPartial, whereWords } from "./wheremap.js";

/** @import { Contour, Grid, MappedReading, MapView, ShownMap } from "../../../tools/page_types/page" */

/**
 * Shows the map of a reading over the picture, first that of the class that matters most. The view that is returned shows
 * another map on the same grid when it is asked to, such as that of one unit, with the scale of the classes where that map
 * brings none. The class switch goes back to a class.
 * @param {MappedReading} reading
 * @param {HTMLImageElement | null} picture loaded, with the pixels that the box read, or null where there is none
 */
export function showMap(reading, picture) {
  const grid = reading.class_map;
  const { where } = reading.verdict;
  const classes = mappedClasses(reading);
  const canvas = canvasById("overlay");
  /** @type {(each: typeof classes[number]) => Parameters<MapView["showMap"]>[0]} */
  const mapOfClass = ({ label, name, logit }) => ({ label, name, values: grid.values[label], mean: logit });
  /** @type {(map: Parameters<MapView["showMap"]>[0]) => ShownMap} */
  const onGrid = (map) => (
    { limit: grid.limit, blank_below: grid.blank_below, ...map, rows: grid.rows, columns: grid.columns });
  const firstOf = firstLabel(reading);
  const first = mapOfClass(classes.find(({ label }) => label === firstOf) ?? classes[0]);
  /** @type {MapView} */
  const view = { map: onGrid(first), contours: [], marks: [], showMap: showAnother };
  /**
   * The cell that is pointed at, as row and column.
   * @type {[number, number] | null}
   */
  let place = null;

  const stack = byId("stack");
  stack.parentElement?.style.setProperty("--shape", String(reading.image.width / reading.image.height));
  placeOverRead(stack, reading);
  byId("picture").hidden = !picture;
  if (picture) byId("picture", HTMLImageElement).src = picture.src;
  show("map-trouble", !picture);
  // What was set for another picture doesn't hold for this one.
  const opacity = inputById("opacity");
  opacity.value = opacity.defaultValue;
  for (const id of ["cells", "colour"]) inputById(id).checked = false;

  function draw() {
    const cells = inputById("cells").checked;
    drawOverlay(canvas, view.map, { cells });
    view.contours = cells ? [] : contoursOf(view.map);
    drawContours(view.contours, view.map);
    strengthen();
    stack.classList.toggle("in-colour", inputById("colour").checked);
    show("foreign", inputById("where").checked);
  }

  const strengthen = () => stack.style.setProperty("--strength", String(Number(opacity.value) / 100));

  /** @type {(row: number, column: number) => void} */
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
    const facts = { row: place[0] + 1, column: place[1] + 1 };
    if (value === null) {
      setText("readout", word(leftOut(at), facts));
    } else {
      setText("readout", word("cell_value", { ...facts, value: signed(value), words: cellWords(view.map, value) }));
    }
  }

  // Why a place has no value. Of a section the verdict tells of the same places.
  function leftOut(/** @type {number} */ at) {
    if (!reading.section) return "cell_bare";
    return where && where.values[at] > 1 ? "cell_foreign" : "cell_glass";
  }

  function pointAway() {
    place = null;
    show("cursor", false);
    setText("readout", word("map_explore"));
  }

  /** @type {MapView["showMap"]} */
  function showAnother(map) {
    view.map = onGrid(map);
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

  byId("segments").replaceChildren(...classes.map((each) => {
    const choice = element("input", { type: "radio", name: "class", value: each.label, className: "unseen" });
    choice.onchange = () => showAnother(mapOfClass(each));
    return element("label", { className: "segment" }, choice, element("span", {}, each.name));
  }));
  for (const id of ["cells", "colour", "where"]) byId(id).onchange = draw;
  opacity.oninput = strengthen;
  show("hold", Boolean(picture));
  showWhileHeld(byId("hold"), (held) => stack.classList.toggle("bare", held));

  const partial = isPartial(where);
  show("where-tool", partial);
  inputById("where").checked = partial && reading.verdict.caution;
  setText("where-words", partial ? whereWords(reading) : "");
  if (isPartial(where)) drawWhere(canvasById("foreign"), where);

  canvas.onpointermove = canvas.onpointerdown = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    point(
      Math.floor(((event.clientY - box.top) / box.height) * grid.rows),
      Math.floor(((event.clientX - box.left) / box.width) * grid.columns),
    );
  };
  // On a touch screen the value stays when the finger leaves.
  canvas.onpointerleave = (event) => {
    if (event.pointerType === "mouse") pointAway();
  };
  canvas.onblur = pointAway;
  canvas.onkeydown = (event) => {
    const step = STEP_BY_KEY.get(event.key);
    if (event.key === "Escape") pointAway();
    if (!step) return;
    event.preventDefault();
    const [row, column] = place ?? [Math.floor(grid.rows / 2), Math.floor(grid.columns / 2)];
    if (place) point(row + step[0], column + step[1]);
    else point(row, column);
  };

  pointAway();
  showAnother(first);
  return view;
}

// Rows and columns that an arrow key goes.
const STEP_BY_KEY = new Map([["ArrowUp", [-1, 0]], ["ArrowDown", [1, 0]], ["ArrowLeft", [0, -1]], ["ArrowRight", [0, 1]]]);

/**
 * Calls `act(held)` when a button is pressed down, with a finger, the mouse or the keyboard, and when it is let go.
 * @param {HTMLElement} button
 * @param {(held: boolean) => void} act
 */
function showWhileHeld(button, act) {
  const hold = (/** @type {boolean} */ held) => {
    button.setAttribute("aria-pressed", String(held));
    act(held);
  };
  hold(false);
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    hold(true);
  };
  button.onpointerup = button.onpointercancel = button.onblur = () => hold(false);
  button.onkeydown = ({ key }) => {
    if ([" ", "Enter"].includes(key)) hold(true);
  };
  button.onkeyup = () => hold(false);
  button.oncontextmenu = (event) => event.preventDefault(); // a long touch
}

/**
 * @param {Contour[]} contours
 * @param {Grid} grid
 */
function drawContours(contours, { rows, columns }) {
  const drawing = byId("contours", SVGSVGElement);
  drawing.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  // Light beneath dark, so that a line shows on any ground.
  /** @type {(name: string, contour: Contour) => SVGPathElement} */
  const line = (name, { level, strong, path }) => svgElement("path", {
    d: path, class: `${name} ${level > 0 ? "for" : "against"} ${strong ? "strong" : "clear"}`,
  });
  drawing.replaceChildren(...["line-under", "line"].flatMap((name) => contours.map((each) => line(name, each))));
}

/**
 * The scale with its levels: those at which lines are drawn.
 * @param {ShownMap} map
 */
function showScale(map) {
  const scale = canvasById("scale");
  const context = contextOf(scale);
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
