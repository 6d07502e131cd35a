// Draws maps over a picture. A map is what the service sends: rows, columns, limit, blank_below and values in logit units,
// row by row; each cell covers an equal part of what was read, and a value belongs to the middle of its cell. A value is null
// where nothing counts: bare glass, in a section also what looks foreign.

import { COLOURS, colourIndex, colourOf } from "./colours.js";
import { HATCH_DARK_RGB, HATCH_DARK_WIDTH, HATCH_LIGHT_RGB, HATCH_LIGHT_WIDTH, HATCHES } from "./constants.js";
import { contextOf } from "./dom.js";

/** @import { CellMap, Grid, Reading, Scale, Where } from "../../../tools/page_types/page" */

const DRAWN_PIXELS = 400_000; // sharp on a desktop, still quick on a phone
const LEAST_SIGN = 12; // a cell so many pixels wide has room for a sign

/**
 * The part of a picture that was read, which all maps cover, at another size of the picture.
 * @param {Pick<Reading, "image">} reading
 * @param {number} width of the picture as it is drawn
 * @param {number} height
 */
export function readBox({ image }, width, height) {
  const [left, top, right, bottom] = image.read_box;
  const [across, down] = [width / image.width, height / image.height];
  return { x: left * across, y: top * down, width: (right - left) * across, height: (bottom - top) * down };
}

/**
 * Lays what is drawn over a picture (`.over-read`) on the part that was read.
 * @param {HTMLElement} stack
 * @param {Pick<Reading, "image">} reading
 */
export function placeOverRead(stack, reading) {
  const box = readBox(reading, 100, 100);
  const sides = { left: box.x, top: box.y, width: box.width, height: box.height };
  for (const [side, share] of Object.entries(sides)) stack.style.setProperty(`--read-${side}`, `${share}%`);
}

/**
 * How many cells speak for something, against it, and too little to be shown, of all that have a value.
 * @param {Pick<CellMap, "values" | "blank_below">} map
 */
export function countCells({ values, blank_below: blankBelow }) {
  const counts = { for: 0, against: 0, blank: 0, all: 0 };
  for (const value of values) {
    if (value === null) continue;
    counts.all += 1;
    if (Math.abs(value) < blankBelow) counts.blank += 1;
    else counts[value > 0 ? "for" : "against"] += 1;
  }
  return counts;
}

/**
 * The value at a place, in cells from the top left: between the middles of the cells that have a value; outside the middles
 * of the border cells the border's value holds. Null where a cell has none.
 * @param {Pick<CellMap, "values" | "rows" | "columns">} map
 * @param {number} y
 * @param {number} x
 */
export function bilinear({ values, rows, columns }, y, x) {
  if (values[Math.floor(y) * columns + Math.floor(x)] === null) return null;
  const row = Math.max(0, Math.min(rows - 1, y - 0.5));
  const column = Math.max(0, Math.min(columns - 1, x - 0.5));
  const top = Math.min(Math.floor(row), Math.max(0, rows - 2));
  const left = Math.min(Math.floor(column), Math.max(0, columns - 2));
  const bottom = Math.min(top + 1, rows - 1);
  const right = Math.min(left + 1, columns - 1);
  const down = row - top;
  const across = column - left;
  let sum = 0;
  let weight = 0;
  /** @type {(at: number, share: number) => void} */
  const add = (at, share) => {
    const value = values[at];
    if (value === null) return;
    sum += share * value;
    weight += share;
  };
  add(top * columns + left, (1 - down) * (1 - across));
  add(top * columns + right, (1 - down) * across);
  add(bottom * columns + left, down * (1 - across));
  add(bottom * columns + right, down * across);
  return sum / weight;
}

/**
 * Draws a map: smooth between the middles of the cells, or the true cells, each with its sign.
 * @param {HTMLCanvasElement} canvas
 * @param {CellMap} map
 * @param {{ cells: boolean }} options
 */
export function drawOverlay(canvas, map, { cells }) {
  const { rows, columns, values } = map;
  const side = fitCanvas(canvas, map);
  const context = contextOf(canvas);
  const pixels = context.createImageData(canvas.width, canvas.height);
  const drawn = new Uint32Array(pixels.data.buffer);
  for (let y = 0, at = 0; y < rows * side; y += 1) {
    for (let x = 0; x < columns * side; x += 1, at += 1) {
      const value = cells
        ? values[Math.floor(y / side) * columns + Math.floor(x / side)]
        : bilinear(map, (y + 0.5) / side, (x + 0.5) / side);
      if (value !== null) drawn[at] = COLOURS[colourIndex(value, map)];
    }
  }
  context.putImageData(pixels, 0, 0);
  if (cells && side >= LEAST_SIGN) drawSigns(context, map, side);
}

/**
 * Gives the canvas whole pixels for each cell; the side of a cell.
 * @param {HTMLCanvasElement} canvas
 * @param {Grid} grid
 */
function fitCanvas(canvas, { rows, columns }) {
  const side = Math.max(1, Math.floor(Math.sqrt(DRAWN_PIXELS / (rows * columns))));
  canvas.width = columns * side;
  canvas.height = rows * side;
  return side;
}

/**
 * Plus and minus in the cells, so that for and against can be told apart without colour.
 * @param {CanvasRenderingContext2D} context
 * @param {CellMap} map
 * @param {number} side of a cell, in pixels
 */
function drawSigns(context, map, side) {
  context.strokeStyle = "#fff";
  context.lineWidth = Math.max(1, side / 18);
  const arm = side / 7;
  context.beginPath();
  map.values.forEach((value, index) => {
    if (value === null || Math.abs(value) < map.blank_below) return;
    const x = ((index % map.columns) + 0.5) * side;
    const y = (Math.floor(index / map.columns) + 0.5) * side;
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    if (value > 0) {
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
    }
  });
  context.stroke();
}

/**
 * Hatches the cells of a verdict's `where` that look foreign (above 1) and draws their border, dark beside light so that
 * it shows on any picture. Nothing else is touched.
 * @param {HTMLCanvasElement} canvas
 * @param {Where} where
 */
export function drawWhere(canvas, where) {
  const { rows, columns, values } = where;
  const side = fitCanvas(canvas, where);
  const context = contextOf(canvas);
  /** @type {(row: number, column: number) => boolean} */
  const foreign = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns
    && values[row * columns + column] > 1;
  const inside = new Path2D();
  const border = new Path2D();
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      if (!foreign(row, column)) continue;
      const [left, top, right, bottom] = [column, row, column + 1, row + 1].map((cells) => cells * side);
      inside.rect(left, top, side, side);
      /** @type {(from: [number, number], to: [number, number]) => void} */
      const drawBorder = (from, to) => {
        border.moveTo(...from);
        border.lineTo(...to);
      };
      if (!foreign(row - 1, column)) drawBorder([left, top], [right, top]);
      if (!foreign(row + 1, column)) drawBorder([left, bottom], [right, bottom]);
      if (!foreign(row, column - 1)) drawBorder([left, top], [left, bottom]);
      if (!foreign(row, column + 1)) drawBorder([right, top], [right, bottom]);
    }
  }
  const gap = Math.max(canvas.width, canvas.height) / HATCHES;
  const lines = new Path2D();
  for (let x = -canvas.height; x < canvas.width; x += gap) {
    lines.moveTo(x, canvas.height);
    lines.lineTo(x + canvas.height, 0);
  }
  /** @type {(path: Path2D, darkWidth: number, lightWidth: number) => void} */
  const stroke = (path, darkWidth, lightWidth) => {
    const dark = { colour: `rgb(${HATCH_DARK_RGB.join(" ")} / 85%)`, width: darkWidth };
    const light = { colour: `rgb(${HATCH_LIGHT_RGB.join(" ")})`, width: lightWidth };
    for (const { colour, width } of [dark, light]) {
      context.strokeStyle = colour;
      context.lineWidth = width * gap;
      context.stroke(path);
    }
  };
  context.lineCap = "round";
  context.save();
  context.clip(inside);
  stroke(lines, HATCH_DARK_WIDTH, HATCH_LIGHT_WIDTH);
  context.restore();
  stroke(border, 0.5, 0.22);
}

/**
 * The legend's bar: the same colours from -limit to +limit, with a stroke at each level of a line, for and against.
 * @param {CanvasRenderingContext2D} context
 * @param {Scale} map
 * @param {{ x: number, y: number, width: number, height: number, levels: number[] }} bar
 */
export function drawScale(context, map, { x, y, width, height, levels }) {
  context.save();
  for (let column = 0; column < width; column += 1) {
    const [red, green, blue, alpha] = colourOf(((2 * (column + 0.5)) / width - 1) * map.limit, map);
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
    context.fillRect(x + column, y, 1, height);
  }
  context.fillStyle = "#14212b";
  for (const level of levels.flatMap((each) => [each, -each])) {
    context.fillRect(Math.round(x + (width / 2) * (1 + level / map.limit)) - 1, y, 2, height);
  }
  context.restore();
}
