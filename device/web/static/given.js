// What a person gave for one picture, the size of its pixels and the model: shown as chips that take it back, named in a
// refusal that it caused, and gone with the picture. The size that the file itself states is only offered.

import { byId, element, setText, show } from "./dom.js";
import { number, word } from "./words.js";

const CAUSED_BY_SCALE = ["scale_invalid", "field_too_small", "field_too_coarse", "section_too_large", "wrong_magnification"];

// Files of one kind: the same format, with the size in the same place.
const kindOf = ({ format, stated_um_per_px: stated }) => `loupe-stated-scale:${format}/${stated.source}`;

// Null where the browser lets pages remember nothing.
function memory() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

// A comma is how a fraction is written in French.
export const readGiven = () => ({ umPerPx: byId("um-per-px").value.trim().replace(",", "."), model: byId("model").value });

// What was given for the picture before this one doesn't hold for it; what was written since waits for it.
export function forgetGiven(before) {
  const now = readGiven();
  if (now.umPerPx === before.umPerPx) byId("um-per-px").value = "";
  if (now.model === before.model) byId("model").value = "";
}

// The size that the file states, where files of its kind shall be read with theirs.
export function rememberedScale({ stated_um_per_px: stated, ...image }) {
  return stated && memory()?.getItem(kindOf({ ...image, stated_um_per_px: stated })) ? stated.value : null;
}

export const writeScale = (value) => { byId("um-per-px").value = number(value, 4, 0); };

// As it was written, where it isn't a number.
const scaleWords = (umPerPx) => (Number(umPerPx) > 0 ? number(Number(umPerPx), 4, 0) : umPerPx);

const titleOf = (model, models) => models.find(({ id }) => id === model)?.title ?? model;

// A chip for each thing given, in the element with this id. `onRemove(field)`: "um-per-px" or "model" is to be taken back.
export function showChips(id, { umPerPx, model }, { models, stated, onRemove }) {
  const asStated = stated && Number(umPerPx) === Number(stated.value.toFixed(4));
  const um = scaleWords(umPerPx);
  const title = titleOf(model, models);
  const chips = [
    umPerPx && ["um-per-px", word(asStated ? "chip_scale_stated" : "chip_scale", { um }), word("chip_scale_remove", { um })],
    model && ["model", word("chip_model", { title }), word("chip_model_remove", { title })],
  ].filter(Boolean);
  show(id, chips.length > 0);
  byId(id).replaceChildren(...chips.map(([field, text, label]) => {
    const cross = element("span", { className: "chip-cross", ariaHidden: "true" }, "\u00d7");
    const chip = element("button", { type: "button", className: "chip", title: label }, element("span", {}, text), cross);
    chip.setAttribute("aria-label", label);
    chip.onclick = () => onRemove(field);
    return chip;
  }));
}

// Which given thing may have caused a refusal with this code, in words; empty where none.
export function blameWords({ umPerPx, model }, code, models) {
  const words = [];
  if (umPerPx && CAUSED_BY_SCALE.includes(code)) words.push(word("blame_scale", { um: scaleWords(umPerPx) }));
  if (model && models.length > 1) words.push(word("blame_model", { title: titleOf(model, models) }));
  return words.join(" ");
}

// Offers the size that the file states, unless one was given. `onUse(value)` reads the picture again with it.
export function offerStated(image, { umPerPx }, onUse) {
  const stated = image.stated_um_per_px;
  show("stated", Boolean(stated) && !umPerPx);
  if (!stated) return;
  setText("stated-words", word("stated_use", { words: stated.words }));
  const kind = kindOf(image);
  byId("stated-always").checked = Boolean(memory()?.getItem(kind));
  byId("stated-always").onchange = ({ target }) => {
    if (!target.checked) memory()?.removeItem(kind);
  };
  byId("stated-use").onclick = () => {
    if (byId("stated-always").checked) memory()?.setItem(kind, "1");
    onUse(stated.value);
  };
}
