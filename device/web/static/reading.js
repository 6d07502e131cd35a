// What other scripts ask of a reading's document.

/** @import { AcceptedReading, Reading } from "../../../tools/page_types/page" */

/**
 * Whether the gate accepted the picture: only then is there an answer.
 * @param {Reading} reading
 * @returns {reading is AcceptedReading}
 */
export const isAccepted = (reading) => reading.verdict.accepted;

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
