// Where a reading comes from: the picture, the model, the runtime and the time each step took.

import { dateWords, trustWords } from "./clock.js";
import { byId, element, setText } from "./dom.js";
import { listed, milliseconds, named, number, word, wordOr } from "./words.js";

/** @import { Clock, PageWord, Reading } from "../../../tools/page_types/page" */

const STEPS = /** @type {const} */ (["decode", "network", "maps", "gate"]);

/**
 * @param {Reading} reading
 * @param {{ fileName: string, clock: Clock }} origin
 */
export function showDetails(reading, { fileName, clock }) {
  const { image, model, runtime, timings_ms: timings } = reading;
  const notes = image.notes.map((code) => wordOr(`note_${code}`, code));
  const size = (/** @type {number} */ width, /** @type {number} */ height) => (
    { width: number(width), height: number(height), format: image.format });
  /** @type {[PageWord, string | Node][]} */
  const facts = [
    ["details_date", named(dateWords(clock.date), trustWords(clock))],
    ["details_file", fileName],
    ["details_picture", listed([word("details_size", size(image.width, image.height)),
      word("details_read_size", size(image.read_width, image.read_height))])],
    ["details_scale", image.um_per_px ? word("details_um_per_px", { um: number(image.um_per_px, 3, 0) }) : word("details_fitted")],
    ["details_notes", notes.length ? listed(notes) : word("details_none")],
    ["details_model", `${model.title} (${model.id}), ${word("model_version", model)}`],
    ["details_signer", model.signer],
    ["details_sha256", element("code", {}, model.sha256)],
    ["details_runtime", `${runtime.name} ${runtime.version}, ${word(runtime.exact ? "runtime_exact" : "runtime_inexact")}`],
    ["details_software", word("footer_software", { version: reading.software })],
  ];
  byId("details-list").replaceChildren(...facts.flatMap(([key, value]) => [
    element("dt", {}, word(key)), element("dd", {}, value),
  ]));
  setText("print-date", dateWords(clock.date));
  showTimings(timings);
}

/** @param {Reading["timings_ms"]} timings */
function showTimings(timings) {
  /** @type {[typeof STEPS[number] | "rest", number][]} */
  const steps = STEPS.map((step) => [step, timings[step] ?? 0]);
  const rest = timings.total - steps.reduce((sum, [, duration]) => sum + duration, 0);
  steps.push(["rest", Math.max(0, rest)]);
  const track = element("div", { className: "timing-track", ariaHidden: "true" }, ...steps.map(([step, duration]) => {
    const part = element("span", { className: `timing ${step}` });
    part.style.width = `${(100 * duration) / timings.total}%`;
    return part;
  }));
  const words = element("ul", {}, ...steps.map(([step, duration]) => element("li", {},
    element("span", { className: `timing ${step}`, ariaHidden: "true" }),
    ` ${word(`timing_${step}`)} ${milliseconds(duration)}`)));
  const total = element("p", {}, word("details_time", { total: milliseconds(timings.total) }));
  byId("timings").replaceChildren(total, track, words);
}
