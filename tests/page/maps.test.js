import assert from "node:assert/strict";
import test from "node:test";

import { contoursOf } from "../../device/web/static/contours.js";
import { bilinear, countCells } from "../../device/web/static/overlay.js";

const map = (rows, columns, values) => ({ rows, columns, values, limit: 9, blank_below: 1 });

// The points of an SVG path, in cells.
const pointsOf = (path) => path.match(/[\d.]+ [\d.]+/g).map((point) => point.split(" ").map(Number));

test("cells are counted by what they speak for; those without a value aren't", () => {
  assert.deepEqual(countCells(map(1, 6, [5, -5, 0.5, -0.99, null, 1])), { for: 2, against: 1, blank: 2, all: 5 });
});

test("a cell's value holds in its middle, and between middles it changes evenly", () => {
  const two = map(1, 2, [0, 8]);
  assert.equal(bilinear(two, 0.5, 0.5), 0);
  assert.equal(bilinear(two, 0.5, 1.5), 8);
  assert.equal(bilinear(two, 0.5, 1), 4);
  assert.equal(bilinear(two, 0.5, 0.75), 2);
});

test("outside the middles of the border cells the border's value holds", () => {
  const square = map(2, 2, [1, 2, 3, 4]);
  assert.equal(bilinear(square, 0, 0), 1);
  assert.equal(bilinear(square, 1.99, 1.99), 4);
});

test("a cell without a value draws nothing, and doesn't pull its neighbours towards nothing", () => {
  const hole = map(1, 3, [6, null, 2]);
  assert.equal(bilinear(hole, 0.5, 1.5), null);
  assert.equal(bilinear(hole, 0.5, 0.9), 6);
  assert.equal(bilinear(hole, 0.5, 2.1), 2);
});

test("lines lie where the evidence is a third and two thirds of the scale, for and against", () => {
  const levels = contoursOf(map(2, 2, [0, 0, 0, 0])).map(({ level, strong }) => [level, strong]);
  assert.deepEqual(levels, [[3, false], [-3, false], [6, true], [-6, true]]);
});

test("a line runs through the places that have its level", () => {
  const slope = map(3, 8, Array.from({ length: 24 }, (_, at) => (at % 8) - 1)); // rises by 1 a column, 3 in the fifth's middle
  const [clear] = contoursOf(slope);
  const points = pointsOf(clear.path);
  assert.ok(points.length > 2);
  for (const [x] of points) assert.ok(Math.abs(x - 4.5) < 0.01, `at ${x}`);
});

test("a line around a peak is closed, and there is none where the level isn't reached", () => {
  const peak = map(5, 5, Array.from({ length: 25 }, (_, at) => (at === 12 ? 9 : 0)));
  const [clear, clearAgainst, strong] = contoursOf(peak);
  assert.match(clear.path, /^M[^M]*Z$/);
  assert.equal(clearAgainst.path, "");
  const reach = (line) => Math.max(...pointsOf(line.path).map(([x]) => Math.abs(x - 2.5)));
  assert.ok(reach(strong) < reach(clear));
});

test("a line ends at cells without a value", () => {
  const values = Array.from({ length: 25 }, (_, at) => (at % 5 < 2 ? 9 : 0));
  values[12] = values[11] = null;
  const [clear] = contoursOf(map(5, 5, values));
  assert.equal(clear.path.match(/M/g).length, 2);
  assert.doesNotMatch(clear.path, /Z/);
});
