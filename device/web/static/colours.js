// The colour scale of the class maps: blue speaks against, vermilion speaks for, nothing is left blank.
//
// The scale is fixed by the model (limit and blank_below, in logit units), never stretched to one picture, so a pale map
// means weak evidence. Blue and vermilion stay apart in the common forms of colour blindness (Okabe and Ito 2008); both
// grow darker and more opaque with strength, so that strength reads without hue.

import { AGAINST_RGB, FOR_RGB, STRONG_OPACITY, WEAK_OPACITY } from "./constants.js";

/** @import { Scale } from "../../../tools/page_types/page" */

/**
 * 0 where a value just isn't left blank, 1 at the limit and beyond.
 * @param {number} value
 * @param {Scale} scale
 */
function strengthOf(value, { limit, blank_below: blankBelow }) {
  return Math.min(1, (Math.abs(value) - blankBelow) / (limit - blankBelow));
}

/**
 * @param {{ weak: number[], strong: number[] }} ends
 * @param {number} strength
 */
function shade(ends, strength) {
  const mix = (/** @type {number} */ weak, /** @type {number} */ strong) => weak + (strong - weak) * strength;
  return [...ends.weak.map((weak, channel) => mix(weak, ends.strong[channel])), 255 * mix(WEAK_OPACITY, STRONG_OPACITY)];
}

/**
 * Red, green, blue and alpha, each 0 to 255, of a value in logit units.
 * @param {number} value
 * @param {Scale} scale
 */
export function colourOf(value, scale) {
  if (Math.abs(value) < scale.blank_below) return [0, 0, 0, 0];
  return shade(value > 0 ? FOR_RGB : AGAINST_RGB, strengthOf(value, scale));
}

// For drawing many pixels: all colours, a pixel's four bytes as one number. Entry 0 is blank, then 256 strengths for each of
// against and for.
const STRENGTHS = 256;
const bytes = new Uint8ClampedArray([
  0, 0, 0, 0,
  ...[AGAINST_RGB, FOR_RGB].flatMap((ends) => (
    Array.from({ length: STRENGTHS }, (_, index) => shade(ends, index / (STRENGTHS - 1))).flat())),
]);
export const COLOURS = new Uint32Array(bytes.buffer);

/**
 * Which entry of `COLOURS` a value in logit units has.
 * @param {number} value
 * @param {Scale} scale
 */
export function colourIndex(value, scale) {
  if (Math.abs(value) < scale.blank_below) return 0;
  return 1 + (value > 0 ? STRENGTHS : 0) + Math.round(strengthOf(value, scale) * (STRENGTHS - 1));
}
