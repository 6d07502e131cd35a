// Lines of equal evidence over a picture, at levels that are the same for each picture: where a place begins to speak
// clearly and strongly for a class, and against it. Found by marching squares on the smooth map that is drawn
// (Lorensen and Cline 1987, in two dimensions). Paths are in cells: one unit is a cell's side.

import { clearFrom, strongFrom } from "./evidence.js";
import { bilinear } from "./overlay.js";

/** @import { CellMap, Contour } from "../../../tools/page_types/page" */
/** @typedef {{ values: Float64Array, rows: number, columns: number, samplesACell: number }} Samples */

const SAMPLES = 60_000; // of a whole map
const MOST_A_CELL = 8; // along a side

/**
 * The lines of a map.
 * @param {CellMap} map
 * @returns {Contour[]}
 */
export function contoursOf(map) {
  const samples = sample(map);
  return [clearFrom(map), strongFrom(map)].flatMap((threshold, strong) => [threshold, -threshold].map((level) => ({
    level, strong: Boolean(strong), path: pathAt(samples, level),
  })));
}

/**
 * @param {CellMap} map
 * @returns {Samples}
 */
function sample(map) {
  const samplesACell = Math.max(1, Math.min(MOST_A_CELL, Math.floor(Math.sqrt(SAMPLES / (map.rows * map.columns)))));
  const rows = map.rows * samplesACell;
  const columns = map.columns * samplesACell;
  const values = new Float64Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, at += 1) {
      values[at] = bilinear(map, (row + 0.5) / samplesACell, (column + 0.5) / samplesACell) ?? Number.NaN;
    }
  }
  return { values, rows, columns, samplesACell };
}

// Which sides of a square a line joins, by which of its corners lie above the level (1, 2, 4, 8: clockwise from the top
// left). Sides: 0 top, 1 right, 2 bottom, 3 left. Where two corners across from each other lie above, both stay apart.
const JOINS = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

/**
 * @param {Samples} samples
 * @param {number} level
 */
function pathAt({ values, rows, columns, samplesACell }, level) {
  /**
   * Where the line crosses a side, by the side's number: 2 × sample, + 1 for the one downwards.
   * @type {Map<number, string>}
   */
  const points = new Map();
  /**
   * A side's number -> those of the sides that the line goes on to.
   * @type {Map<number, number[]>}
   */
  const joined = new Map();
  /** @type {(at: number, down: 0 | 1) => number} */
  const cross = (at, down) => {
    const key = 2 * at + down;
    if (!points.has(key)) {
      const share = (level - values[at]) / (values[at + (down ? columns : 1)] - values[at]);
      const x = (at % columns) + 0.5 + (down ? 0 : share);
      const y = Math.floor(at / columns) + 0.5 + (down ? share : 0);
      points.set(key, `${(x / samplesACell).toFixed(3)} ${(y / samplesACell).toFixed(3)}`);
    }
    return key;
  };
  /** @type {(one: number, other: number) => void} */
  const join = (one, other) => {
    for (const [from, to] of [[one, other], [other, one]]) joined.set(from, [...(joined.get(from) ?? []), to]);
  };
  for (let row = 0; row + 1 < rows; row += 1) {
    for (let column = 0; column + 1 < columns; column += 1) {
      const at = row * columns + column;
      const corners = [at, at + 1, at + columns + 1, at + columns];
      if (corners.some((corner) => Number.isNaN(values[corner]))) continue;
      const above = corners.reduce((sum, corner, bit) => sum + (values[corner] > level ? 1 << bit : 0), 0);
      const sideAt = [() => cross(at, 0), () => cross(at + 1, 1), () => cross(at + columns, 0), () => cross(at, 1)];
      for (const [one, other] of JOINS[above]) join(sideAt[one](), sideAt[other]());
    }
  }
  return trace(points, joined);
}

/**
 * Strings the crossings together, first the lines that end somewhere, then the rings.
 * @param {Map<number, string>} points
 * @param {Map<number, number[]>} joined
 */
function trace(points, joined) {
  /** @type {string[]} */
  const parts = [];
  const neighbours = (/** @type {number} */ key) => joined.get(key) ?? [];
  const follow = (/** @type {number} */ start) => {
    const steps = [points.get(start)];
    let here = start;
    for (;;) {
      const [next] = neighbours(here);
      if (next === undefined) break;
      const from = here;
      joined.set(from, neighbours(from).filter((each) => each !== next));
      joined.set(next, neighbours(next).filter((each) => each !== from));
      steps.push(points.get(next));
      here = next;
    }
    if (steps.length > 1) parts.push(`M${steps.join("L")}${here === start ? "Z" : ""}`);
  };
  for (const [key, others] of joined) if (others.length === 1) follow(key);
  for (const key of joined.keys()) follow(key);
  return parts.join("");
}
