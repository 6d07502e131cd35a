// Draws a class map. A map is what the service sends: rows, columns, limit, blank_below and values in logit units, row by
// row; each cell covers an equal part of the picture, and a value belongs to the middle of its cell.

import { COLOURS, colourIndex, colourOf } from "./colours.js";

const DRAWN_PIXELS = 400_000; // sharp on a desktop, still quick on a phone

export function cellValue(map, label, row, column) {
  return map.values[label][row * map.columns + column];
}

// How many cells speak for the class, against it, and too little to be shown.
export function countCells(map, label) {
  const counts = { for: 0, against: 0, blank: 0, all: map.rows * map.columns };
  for (const value of map.values[label]) {
    if (Math.abs(value) < map.blank_below) counts.blank += 1;
    else counts[value > 0 ? "for" : "against"] += 1;
  }
  return counts;
}

function bilinear(values, rows, columns, y, x) {
  // Outside the middles of the border cells the border's value holds.
  const row = Math.max(0, Math.min(rows - 1, y - 0.5));
  const column = Math.max(0, Math.min(columns - 1, x - 0.5));
  const top = Math.min(Math.floor(row), Math.max(0, rows - 2));
  const left = Math.min(Math.floor(column), Math.max(0, columns - 2));
  const bottom = Math.min(top + 1, rows - 1);
  const right = Math.min(left + 1, columns - 1);
  const down = row - top;
  const across = column - left;
  const upper = values[top * columns + left] * (1 - across) + values[top * columns + right] * across;
  const lower = values[bottom * columns + left] * (1 - across) + values[bottom * columns + right] * across;
  return upper * (1 - down) + lower * down;
}

// Draws the map of one class: smooth between the middles of the cells, or the true cells, each with its sign.
export function drawOverlay(canvas, map, label, { cells }) {
  const { rows, columns } = map;
  const values = map.values[label];
  const side = Math.max(1, Math.floor(Math.sqrt(DRAWN_PIXELS / (rows * columns))));
  canvas.width = columns * side;
  canvas.height = rows * side;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const drawn = new Uint32Array(pixels.data.buffer);
  for (let y = 0, at = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1, at += 1) {
      const value = cells
        ? values[Math.floor(y / side) * columns + Math.floor(x / side)]
        : bilinear(values, rows, columns, (y + 0.5) / side, (x + 0.5) / side);
      drawn[at] = COLOURS[colourIndex(value, map)];
    }
  }
  context.putImageData(pixels, 0, 0);
  if (cells) drawSigns(context, map, values, side);
}

// Plus and minus in the cells, so that the side can be read without colour.
function drawSigns(context, map, values, side) {
  context.strokeStyle = "#fff";
  context.lineWidth = Math.max(1, side / 18);
  const arm = side / 7;
  context.beginPath();
  values.forEach((value, index) => {
    if (Math.abs(value) < map.blank_below) return;
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

// The legend's bar: the same colours from -limit to +limit.
export function drawScale(context, map, { x, y, width, height }) {
  context.save();
  for (let column = 0; column < width; column += 1) {
    const [red, green, blue, alpha] = colourOf(((2 * (column + 0.5)) / width - 1) * map.limit, map);
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
    context.fillRect(x + column, y, 1, height);
  }
  context.restore();
}
