import assert from "node:assert/strict";
import test from "node:test";

import { COLOURS, colourIndex, colourOf } from "../../device/web/static/colours.js";
import { AGAINST_RGB, FOR_RGB, STRONG_OPACITY, WEAK_OPACITY } from "../../device/web/static/constants.js";

const SCALE = { limit: 9, blank_below: 1 };

test("what is below the scale's beginning has no colour", () => {
  assert.deepEqual(colourOf(0.99, SCALE), [0, 0, 0, 0]);
  assert.deepEqual(colourOf(-0.99, SCALE), [0, 0, 0, 0]);
  assert.equal(COLOURS[colourIndex(0.99, SCALE)], 0);
});

test("colours go from weak to strong, for and against, and no further than the limit", () => {
  assert.deepEqual(colourOf(1, SCALE), [...FOR_RGB.weak, 255 * WEAK_OPACITY]);
  assert.deepEqual(colourOf(9, SCALE), [...FOR_RGB.strong, 255 * STRONG_OPACITY]);
  assert.deepEqual(colourOf(-9, SCALE), [...AGAINST_RGB.strong, 255 * STRONG_OPACITY]);
  assert.deepEqual(colourOf(-100, SCALE), colourOf(-9, SCALE));
});

test("a pixel's colour is that of its value, to the nearest of 256 strengths", () => {
  const bytes = new Uint8ClampedArray(COLOURS.buffer);
  for (const value of [-20, -9, -5.3, -1, 1, 2.2, 7.7, 9]) {
    const exact = colourOf(value, SCALE);
    const drawn = [...bytes.subarray(4 * colourIndex(value, SCALE), 4 * colourIndex(value, SCALE) + 4)];
    drawn.forEach((channel, index) => assert.ok(Math.abs(channel - exact[index]) <= 1, `${value}: ${drawn} for ${exact}`));
  }
});
