// The microscopes of the clinic on the reading page: staff pick one with a tap, and it holds for the sitting, which is this
// tab. Where there is one alone, it is chosen already.

import { getInstruments, Problem } from "./api.js";
import { byId, element, inputById, show } from "./dom.js";
import { number, word } from "./words.js";

/** @import { InstrumentEntry } from "../../../tools/page_types/documents" */

const KEY = "loupe-microscope";
const NONE = "-"; // chosen: none of them

/** @type {InstrumentEntry[]} */
let microscopes = [];
let kept = ""; // where the browser lets pages remember nothing

function remembered() {
  try {
    return window.sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

/** @param {string} id */
function remember(id) {
  kept = id;
  try {
    window.sessionStorage.setItem(KEY, id);
  } catch {
    // this page still knows
  }
}

/** The one that pictures are read with, null where none is. */
export function chosenMicroscope() {
  return microscopes.find(({ id }) => id === remembered()) ?? null;
}

/** From now on pictures are read with none of them. */
export function chooseNone() {
  choose(NONE);
}

/** @param {string} id */
function choose(id) {
  remember(id);
  for (const each of inputs()) each.checked = each.value === id;
}

/** @returns {HTMLInputElement[]} */
const inputs = () => [...byId("microscope-choice").querySelectorAll("input")];

/**
 * The size of a pixel of a picture, as the box reckons it.
 * @param {InstrumentEntry} microscope
 * @param {{ naturalWidth: number, naturalHeight: number }} picture
 */
export function umPerPxOf({ um_per_px: um, width_px: width, height_px: height }, { naturalWidth, naturalHeight }) {
  return width ? um * Math.sqrt((width * height) / (naturalWidth * naturalHeight)) : um;
}

/**
 * @param {{ id: string, name: string }} microscope
 * @param {(id: string) => void} onChoice
 */
function segment({ id, name }, onChoice) {
  const input = element("input", { type: "radio", className: "unseen", name: "microscope", value: id });
  input.onchange = () => onChoice(id);
  return element("label", { className: "segment" }, input, element("span", {}, name));
}

/**
 * Offers the clinic's microscopes. Resolves when one is chosen, where one is.
 * @param {() => void} onChange a person has chosen another
 */
export async function showMicroscopes(onChange) {
  try {
    ({ instruments: microscopes } = await getInstruments());
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    microscopes = []; // a size of a pixel can still be typed, and the health page tells what is wrong
  }
  const onChoice = (/** @type {string} */ id) => {
    choose(id);
    onChange();
  };
  byId("microscope-choice").replaceChildren(
    ...[...microscopes, { id: NONE, name: word("scope_none") }].map((each) => segment(each, onChoice)));
  show("microscopes", microscopes.length > 0);
  const known = remembered() === NONE || chosenMicroscope();
  choose(known ? remembered() : microscopes.length === 1 ? microscopes[0].id : "");
}

/**
 * Asks how large a pixel of the picture is, in one step: which microscope, or a number.
 * @param {boolean} asked
 * @param {{ onMicroscope: () => void, onSize: (umPerPx: number) => void }} answers
 */
export function askForScale(asked, { onMicroscope, onSize }) {
  show("ask-scale", asked);
  if (!asked) return;
  show("ask-microscopes", microscopes.length > 0);
  byId("ask-microscope-list").replaceChildren(...microscopes.map(({ id, name, um_per_px: um }) => {
    const button = element("button", { type: "button", className: "button" }, name,
      element("small", {}, word("scope_size", { um: number(um, 4, 0) })));
    button.onclick = () => {
      choose(id);
      onMicroscope();
    };
    return button;
  }));
  const field = inputById("ask-um");
  field.value = "";
  show("ask-wrong", false);
  field.setAttribute("aria-invalid", "false");
  byId("ask-form").onsubmit = (event) => {
    event.preventDefault();
    const um = Number(field.value.trim().replace(",", "."));
    if (um > 0) onSize(um);
    show("ask-wrong", !(um > 0));
    field.setAttribute("aria-invalid", String(!(um > 0)));
  };
}
