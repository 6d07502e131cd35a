// What other scripts ask of a reading's document.

/** @import { AcceptedReading, MappedReading, Reading } from "../../../tools/page_types/page" */

/**
 * Whether there is an answer: the gate accepted the picture, and its scale is known, assumed or not needed.
 * @param {Reading} reading
 * @returns {reading is AcceptedReading}
 */
export const isAnswered = (reading) => reading.answer !== null;

/**
 * Whether there are maps: the gate accepted the picture.
 * @param {Reading} reading
 * @returns {reading is MappedReading}
 */
export const hasMaps = (reading) => reading.class_map !== null;

/**
 * The classes whose maps there are, each with the mean of its map, in the model's order.
 * @param {MappedReading} reading
 */
export function mappedClasses({ class_map: map, prediction }) {
  if (prediction) return prediction.probabilities.map(({ label, name, logit }) => ({ label, name, logit }));
  return Object.entries(map.names).map(([label, name]) => {
    const counted = map.values[label].filter((value) => value !== null);
    return { label, name, logit: counted.reduce((sum, value) => sum + value, 0) / Math.max(1, counted.length) };
  });
}

/**
 * What a reading says of one class: its name, probability and logit.
 * @param {AcceptedReading} reading
 * @param {string} label
 */
export function classOf({ prediction }, label) {
  const likelihood = prediction.probabilities.find((each) => each.label === label);
  if (!likelihood) throw new Error(`the reading has no class ${label}`);
  return likelihood;
}
