// The value of a place in words. The levels are the same for each picture: from a third of the scale on, evidence is clear,
// from two thirds on it is strong; what is below the scale's beginning says little and is left blank.

import { number, word } from "./words.js";

/** @import { Scale, ShownMap } from "../../../tools/page_types/page" */

/** @param {Pick<Scale, "limit">} scale */
export const clearFrom = ({ limit }) => limit / 3;

/** @param {Pick<Scale, "limit">} scale */
export const strongFrom = ({ limit }) => (2 * limit) / 3;

/**
 * @param {Pick<ShownMap, "name" | "limit" | "blank_below">} map
 * @param {number} value in logit units
 */
export function cellWords(map, value) {
  const { name } = map;
  const size = Math.abs(value);
  if (size < map.blank_below) return word("cell_blank", { name });
  const direction = value > 0 ? "for" : "against";
  const strength = size < clearFrom(map) ? "weak" : size < strongFrom(map) ? "clear" : "strong";
  return word(`cell_${direction}_${strength}`, { name });
}

/**
 * What the lines of a map stand for.
 * @param {Scale} scale
 */
export const levelWords = (scale) => word("legend_levels", {
  blank: number(scale.blank_below, 2, 0), clear: number(clearFrom(scale), 2), strong: number(strongFrom(scale), 2),
});
