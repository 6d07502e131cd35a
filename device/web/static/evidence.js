// The value of a place in words. The levels are the same for each picture: from a third of the scale on, evidence is clear,
// from two thirds on it is strong; what is below the scale's beginning says little and is left blank.

import { number, word } from "./words.js";

export const clearFrom = ({ limit }) => limit / 3;
export const strongFrom = ({ limit }) => (2 * limit) / 3;

export function cellWords(map, value) {
  const { name } = map;
  const size = Math.abs(value);
  if (size < map.blank_below) return word("cell_blank", { name });
  const side = value > 0 ? "for" : "against";
  const strength = size < clearFrom(map) ? "weak" : size < strongFrom(map) ? "clear" : "strong";
  return word(`cell_${side}_${strength}`, { name });
}

// What the lines of a map stand for.
export const levelWords = (map) => word("legend_levels", {
  blank: number(map.blank_below, 2, 0), clear: number(clearFrom(map), 2), strong: number(strongFrom(map), 2),
});
