// What a person gave for one picture, the size of its pixels or the microscope, and the model: shown as chips that take it back, named in a
// refusal that it caused, and gone with the picture. The size that the file itself states is only offered.

import { SCALE_ERRORS } from "./constants.js";
import { byId, element, inputById, setText, show } from "./dom.js";
import { memory } from "./memory.js";
import { number, word } from "./words.js";

/** @import { ModelFacts } from "../../../tools/page_types/documents" */
/** @import { Given, Reading } from "../../../tools/page_types/page" */
/** @typedef {NonNullable<Reading["image"]["stated_um_per_px"]>} StatedScale */
/** @typedef {"um-per-px" | "model"} Field the id of the field in which something is given */
/** @typedef {Field | "microscope"} Thing that is given */

/**
 * Files of one kind: the same format, with the size in the same place.
 * @param {string} format
 * @param {StatedScale} stated
 */
const kindOf = (format, stated) => `loupe-stated-scale:${format}/${stated.source}`;

const fieldOf = (/** @type {Field} */ field) => (
  field === "model" ? byId(field, HTMLSelectElement) : inputById(field));

/**
 * A comma is how a fraction is written in French.
 * @returns {Given}
 */
export const readGiven = () => ({
  umPerPx: fieldOf("um-per-px").value.trim().replace(",", "."), model: fieldOf("model").value, microscope: "",
});

/** @param {Field} field */
export const clearField = (field) => { fieldOf(field).value = ""; };

/**
 * What was given for the picture before this one doesn't hold for it; what was written since waits for it.
 * @param {Given} before
 */
export function forgetGiven(before) {
  const now = readGiven();
  if (now.umPerPx === before.umPerPx) clearField("um-per-px");
  if (now.model === before.model) clearField("model");
}

/**
 * The size that the file states, where files of its kind shall be read with theirs.
 * @param {Reading["image"]} image
 */
export function rememberedScale({ stated_um_per_px: stated, format }) {
  return stated && memory()?.getItem(kindOf(format, stated)) ? stated.value : null;
}

/** @param {number} umPerPx */
export const writeScale = (umPerPx) => { fieldOf("um-per-px").value = number(umPerPx, 4, 0); };

// As it was written, where it isn't a number.
const scaleWords = (/** @type {string} */ umPerPx) => (Number(umPerPx) > 0 ? number(Number(umPerPx), 4, 0) : umPerPx);

/** @type {(model: string, models: ModelFacts[]) => string} */
const titleOf = (model, models) => models.find(({ id }) => id === model)?.title ?? model;

/**
 * A chip for each thing given, in the element with this id.
 * @param {string} id
 * @param {Given} given
 * @param {object} options
 * @param {ModelFacts[]} options.models
 * @param {StatedScale | null} [options.stated]
 * @param {string} [options.microscope] the name of the one that was given
 * @param {(thing: Thing) => void} options.onRemove what was given is to be taken back
 */
export function showChips(id, { umPerPx, model }, { models, stated, microscope: name, onRemove }) {
  const asStated = stated && Number(umPerPx) === Number(stated.value.toFixed(4));
  const um = scaleWords(umPerPx);
  const title = titleOf(model, models);
  /** @type {{ field: Thing, text: string, label: string }[]} */
  const chips = [];
  if (umPerPx) {
    const text = word(asStated ? "chip_scale_stated" : "chip_scale", { um });
    chips.push({ field: "um-per-px", text, label: word("chip_scale_remove", { um }) });
  }
  if (name && !umPerPx) {
    chips.push({ field: "microscope", text: word("chip_scope", { name }), label: word("chip_scope_remove", { name }) });
  }
  if (model) chips.push({ field: "model", text: word("chip_model", { title }), label: word("chip_model_remove", { title }) });
  show(id, chips.length > 0);
  byId(id).replaceChildren(...chips.map(({ field, text, label }) => {
    const cross = element("span", { className: "chip-cross", ariaHidden: "true" }, "\u00d7");
    const chip = element("button", { type: "button", className: "chip", title: label }, element("span", {}, text), cross);
    chip.setAttribute("aria-label", label);
    chip.onclick = () => onRemove(field);
    return chip;
  }));
}

/**
 * Which given thing may have caused a refusal with this code, in words; empty where none.
 * @param {Given} given
 * @param {string} code
 * @param {ModelFacts[]} models
 * @param {string} [name] of the microscope that was given
 */
export function blameWords({ umPerPx, model }, code, models, name) {
  const words = [];
  if (name && !umPerPx && SCALE_ERRORS.includes(code)) words.push(word("blame_scope", { name }));
  if (umPerPx && SCALE_ERRORS.includes(code)) words.push(word("blame_scale", { um: scaleWords(umPerPx) }));
  if (model && models.length > 1) words.push(word("blame_model", { title: titleOf(model, models) }));
  return words.join(" ");
}

/**
 * Offers the size that the file states, unless one was given.
 * @param {Reading["image"]} image
 * @param {Given} given
 * @param {(umPerPx: number) => void} onUse reads the picture again with it
 */
export function offerStated(image, { umPerPx, microscope }, onUse) {
  const stated = image.stated_um_per_px;
  show("stated", Boolean(stated) && !umPerPx && !microscope);
  if (!stated) return;
  setText("stated-words", word("stated_use", { words: stated.words }));
  const kind = kindOf(image.format, stated);
  const always = inputById("stated-always");
  always.checked = Boolean(memory()?.getItem(kind));
  always.onchange = () => {
    if (!always.checked) memory()?.removeItem(kind);
  };
  byId("stated-use").onclick = () => {
    if (always.checked) memory()?.setItem(kind, "1");
    onUse(stated.value);
  };
}
