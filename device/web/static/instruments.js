// The page of microscopes: a technician sets up each with its camera and one objective. The size of a pixel is measured on
// the box from a photographed stage micrometer, read from a file that states it, or typed.

import {
  addInstrument, changeInstrument, deleteInstrument, getInstruments, measure, Problem, requestPreview,
} from "./api.js";
import { byId, canvasById, contextOf, element, inputById, setText, show, within } from "./dom.js";
import { withCode } from "./technician.js";
import { loadWords, number, word, wordOr } from "./words.js";

/** @import { GlassDocument, InstrumentEntry, MarksDocument, PixelSizeDocument } from "../../../tools/page_types/documents" */
/**
 * @typedef {object} Draft what the form holds beside its fields
 * @property {InstrumentEntry | null} edited the one that is changed; null for a new one
 * @property {MarksDocument | null} marks of the micrometer's photo
 * @property {PixelSizeDocument | null} stated by a file
 * @property {number[] | null} white of empty glass
 */

const WAYS = /** @type {const} */ (["micrometer", "file", "typed"]);
const DIGITS = 4;
const WHOLE_PX = 1200; // width at which the photo is drawn
const CLOSE_PX = 900;
const CLOSE_MARKS = 14; // that the close-up shows
const LINE = "#d6006c";

/** @type {Draft} */
let draft = { edited: null, marks: null, stated: null, white: null };

/** @param {string} id */
const typedNumber = (id) => Number(inputById(id).value.trim().replace(",", "."));

const chosenWay = () => WAYS.find((way) => wayInput(way).checked) ?? "typed";

/** @param {string} way */
const wayInput = (way) => {
  const input = document.querySelector(`input[name="way"][value="${way}"]`);
  if (!(input instanceof HTMLInputElement)) throw new TypeError(`there is no way ${way}`);
  return input;
};

function showWay() {
  for (const way of WAYS) show(`way-${way}`, way === chosenWay());
}

// --- what is told ------------------------------------------------------------------------------------------------------

/**
 * At the form, where what was sent came from. Other errors are the page's own faults.
 * @param {unknown} problem
 */
function tell(problem) {
  if (!(problem instanceof Problem)) throw problem;
  refuse(problem.words);
}

/** @param {string} text */
function refuse(text) {
  setText("form-problem", text);
  show("form-problem", Boolean(text));
}

/** @param {string} text */
function announce(text) {
  within(byId("done"), "span").textContent = text;
  show("done", Boolean(text));
  setText("status", text);
}

// --- the list ----------------------------------------------------------------------------------------------------------

/** @param {InstrumentEntry} instrument */
function facts(instrument) {
  const { um_per_px: um, width_px: width, height_px: height, white } = instrument;
  const size = word("scope_size", { um: number(um, DIGITS, 0) });
  const sides = width ? word("scope_of_size", { width: number(width), height: number(height) }) : word("scope_any_size");
  const colour = white ? word("scope_white", { red: white[0], green: white[1], blue: white[2] }) : word("scope_no_white");
  return [`${size} ${sides}, ${wordOr(`scope_how_${instrument.how}`, instrument.how)}.`, `${colour} ${word("scope_version", instrument)}`];
}

/** @param {InstrumentEntry} instrument */
function item(instrument) {
  const button = (/** @type {"scope_edit" | "scope_delete"} */ key, /** @type {() => void} */ act) => {
    const built = element("button", { type: "button", className: "button" }, word(key));
    built.setAttribute("aria-label", `${word(key)}: ${instrument.name}`);
    built.onclick = act;
    return built;
  };
  const words = facts(instrument).map((text, place) => element("p", { className: place ? "hint" : "" }, text));
  const built = element("li", { className: "scope" },
    element("div", {}, element("h3", {}, instrument.name), ...words),
    element("div", { className: "drop-buttons" },
      button("scope_edit", () => edit(instrument)), button("scope_delete", () => askToDelete(instrument))));
  built.dataset.instrument = instrument.id;
  return built;
}

async function load() {
  document.body.dataset.state = "busy";
  try {
    const { instruments } = await getInstruments();
    byId("scopes").replaceChildren(...instruments.map(item));
    show("empty", instruments.length === 0);
    document.body.dataset.state = "done";
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    document.body.dataset.state = "failed";
    setText("problem-title", problem.title);
    setText("problem-detail", problem.detail ?? "");
    setText("problem-next-step", problem.nextStep);
    show("problem");
  }
}

/** @param {InstrumentEntry} instrument */
function askToDelete(instrument) {
  const dialog = byId("delete-dialog", HTMLDialogElement);
  setText("delete-title", word("scope_delete_ask", instrument));
  byId("delete-no").onclick = () => dialog.close();
  byId("delete-yes").onclick = async () => {
    dialog.close();
    try {
      await withCode((headers) => deleteInstrument(instrument.id, headers));
      if (draft.edited?.id === instrument.id) startAnew();
      announce(word("scope_deleted", instrument));
      await load();
    } catch (problem) {
      tell(problem);
    }
  };
  dialog.showModal();
}

// --- the form ----------------------------------------------------------------------------------------------------------

function startAnew() {
  draft = { edited: null, marks: null, stated: null, white: null };
  for (const id of ["name", "um", "width", "height"]) inputById(id).value = "";
  setText("form-heading", word("scope_add_heading"));
  wayInput("micrometer").checked = true;
  showDraft();
}

/** @param {InstrumentEntry} instrument */
function edit(instrument) {
  draft = { edited: instrument, marks: null, stated: null, white: instrument.white };
  inputById("name").value = instrument.name;
  inputById("um").value = number(instrument.um_per_px, 6, 0);
  inputById("width").value = instrument.width_px ? String(instrument.width_px) : "";
  inputById("height").value = instrument.height_px ? String(instrument.height_px) : "";
  setText("form-heading", word("scope_edit_heading", instrument));
  wayInput("typed").checked = true;
  announce("");
  showDraft();
  byId("form").scrollIntoView();
  inputById("name").focus({ preventScroll: true });
}

function showDraft() {
  showWay();
  refuse("");
  show("cancel", Boolean(draft.edited));
  setText("marks-stage", "");
  show("marks-found", Boolean(draft.marks));
  setText("stating-words", draft.stated?.words ?? "");
  showWhite();
}

function showWhite() {
  const { white } = draft;
  setText("white-words", white ? word("scope_white", { red: white[0], green: white[1], blue: white[2] }) : "");
  show("white-forget", Boolean(white));
  show("swatch", Boolean(white));
  if (!white) return;
  const context = contextOf(canvasById("swatch"));
  context.fillStyle = `rgb(${white.join(" ")})`;
  context.fillRect(0, 0, 44, 44);
}

/** Of the micrometer's photo; NaN where there is none, or no distance. */
const umOfMarks = () => (draft.marks ? typedNumber("between") / draft.marks.period_px : NaN);

function showMarksResult() {
  if (!draft.marks) return;
  const { marks, period_px: period, error_px: error } = draft.marks;
  const digits = error < 0.001 ? 3 : 2;
  setText("marks-words", word("scope_found", { marks, period: number(period, digits), error: number(Math.max(error, 10 ** -digits), digits) }));
  const um = umOfMarks();
  setText("marks-result", um > 0 ? word("scope_result", { um: number(um, DIGITS, 0) }) : "");
}

/** @param {File} file */
async function measureMarks(file) {
  refuse("");
  draft.marks = null;
  inputById("marks-checked").checked = false;
  show("marks-found", false);
  setText("marks-stage", word("scope_measuring"));
  try {
    draft.marks = /** @type {MarksDocument} */ (await measure("marks", file));
    await drawMarks(file, draft.marks);
    showMarksResult();
    show("marks-found");
  } catch (problem) {
    tell(problem);
  } finally {
    setText("marks-stage", "");
  }
}

/**
 * The photo as this browser shows it, else the box's preview of it; null where neither does.
 * @param {File} file
 * @param {MarksDocument} marks
 */
async function photoOf(file, { width, height }) {
  const picture = new Image();
  picture.src = URL.createObjectURL(file);
  const shown = await picture.decode().then(() => picture, () => null);
  if (shown && shown.naturalWidth * height === shown.naturalHeight * width) return shown;
  URL.revokeObjectURL(picture.src);
  return requestPreview(file, new AbortController().signal);
}

/**
 * Draws the photo with a line on each mark: whole, and the middle of the scale closer, where a person sees whether they fit.
 * @param {File} file
 * @param {MarksDocument} marks
 */
async function drawMarks(file, marks) {
  const photo = await photoOf(file, marks);
  for (const id of ["marks-whole", "marks-close"]) canvasById(id).hidden = !photo;
  show("marks-undrawn", !photo);
  if (!photo) return;
  const { width, height, lines } = marks;
  draw("marks-whole", photo, marks, { left: 0, top: 0, width, height }, Math.min(width, WHOLE_PX));
  const [x1, y1, x2, y2] = lines[Math.floor(lines.length / 2)];
  const side = Math.min(width, CLOSE_MARKS * marks.period_px);
  const part = { width: side, height: Math.min(height, side * 0.6) };
  const within0 = (/** @type {number} */ at, /** @type {number} */ most) => Math.max(0, Math.min(at, most));
  const left = within0((x1 + x2) / 2 - part.width / 2, width - part.width);
  const top = within0((y1 + y2) / 2 - part.height / 2, height - part.height);
  draw("marks-close", photo, marks, { left, top, ...part }, CLOSE_PX);
}

/**
 * @param {string} id of a canvas
 * @param {HTMLImageElement} photo
 * @param {MarksDocument} marks
 * @param {{ left: number, top: number, width: number, height: number }} part of the photo, in its own pixels
 * @param {number} across pixels of the canvas
 */
function draw(id, photo, { width, lines }, part, across) {
  const canvas = canvasById(id);
  const scale = across / part.width;
  canvas.width = Math.round(across);
  canvas.height = Math.round(part.height * scale);
  const context = contextOf(canvas);
  const shown = photo.naturalWidth / width; // the box's preview may be smaller
  context.drawImage(photo, part.left * shown, part.top * shown, part.width * shown, part.height * shown, 0, 0, canvas.width, canvas.height);
  context.strokeStyle = LINE;
  context.lineWidth = 2;
  context.beginPath();
  for (const [x1, y1, x2, y2] of lines) {
    context.moveTo((x1 - part.left) * scale, (y1 - part.top) * scale);
    context.lineTo((x2 - part.left) * scale, (y2 - part.top) * scale);
  }
  context.stroke();
}

/** @param {File} file */
async function readStatement(file) {
  refuse("");
  setText("stating-words", "");
  try {
    draft.stated = /** @type {PixelSizeDocument} */ (await measure("pixel-size", file));
    setText("stating-words", draft.stated.words);
  } catch (problem) {
    draft.stated = null;
    tell(problem);
  }
}

/** @param {File} file */
async function measureGlass(file) {
  refuse("");
  try {
    draft.white = /** @type {GlassDocument} */ (await measure("glass", file)).white;
    showWhite();
  } catch (problem) {
    tell(problem);
  }
}

/**
 * What the form says of a pixel, or why it doesn't yet.
 * @returns {{ um_per_px: number, width_px: number, height_px: number, how: string } | string}
 */
function pixelSize() {
  const way = chosenWay();
  if (way === "micrometer") {
    if (!draft.marks || !(umOfMarks() > 0)) return word("scope_incomplete");
    if (!inputById("marks-checked").checked) return word("scope_unchecked");
    return { um_per_px: umOfMarks(), width_px: draft.marks.width, height_px: draft.marks.height, how: "micrometer" };
  }
  if (way === "file") {
    if (!draft.stated) return word("scope_incomplete");
    return { um_per_px: draft.stated.um_per_px, width_px: draft.stated.width, height_px: draft.stated.height, how: "file" };
  }
  const typed = { um_per_px: typedNumber("um"), width_px: typedNumber("width"), height_px: typedNumber("height") };
  if (!(typed.um_per_px > 0)) return word("scope_incomplete");
  const before = draft.edited;
  const same = before && number(typed.um_per_px, 6) === number(before.um_per_px, 6)
    && typed.width_px === before.width_px && typed.height_px === before.height_px;
  return same ? { ...typed, um_per_px: before.um_per_px, how: before.how } : { ...typed, how: "typed" };
}

async function save() {
  refuse("");
  announce("");
  const size = pixelSize();
  if (typeof size === "string") {
    refuse(size);
    return;
  }
  const sent = { name: inputById("name").value, ...size, white: draft.white };
  const { edited } = draft;
  try {
    const kept = await withCode((headers) => (
      edited ? changeInstrument(edited.id, sent, headers) : addInstrument(sent, headers)));
    startAnew();
    announce(word("scope_saved", kept));
    await load();
    scrollTo({ top: 0 });
  } catch (problem) {
    tell(problem);
  }
}

/**
 * @param {string} name of a button and its picker
 * @param {(file: File) => Promise<void>} onFile
 */
function listen(name, onFile) {
  const picker = inputById(`${name}-file`);
  byId(`${name}-choose`).onclick = () => picker.click();
  picker.onchange = async () => {
    const [file] = picker.files ?? [];
    if (file) await onFile(file);
    picker.value = ""; // the same file may be chosen again
  };
}

loadWords();
for (const way of WAYS) wayInput(way).onchange = showWay;
listen("marks", measureMarks);
listen("stating", readStatement);
listen("glass", measureGlass);
byId("between").oninput = showMarksResult;
byId("white-forget").onclick = () => {
  draft.white = null;
  showWhite();
};
byId("cancel").onclick = startAnew;
byId("form").onsubmit = (event) => {
  event.preventDefault();
  save();
};
showWay();
load();
