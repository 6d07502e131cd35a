// The page from a chosen picture to a reading on the screen. The states are those of body[data-state]:
// idle -> busy -> done, or -> failed (the picture stays, so that one can try again).

import { getModel, ownProblem, Problem, requestPreview, requestReading } from "./api.js";
import { clockOf } from "./clock.js";
import { FOREIGN_REASONS } from "./constants.js";
import { showDetails } from "./details.js";
import { byId, inputById, setText, show, within } from "./dom.js";
import { savePicture, saveReading } from "./exports.js";
import { showAnswer, showUnits } from "./findings.js";
import { blameWords, clearField, forgetGiven, offerStated, readGiven, rememberedScale, showChips, writeScale } from "./given.js";
import { showMap } from "./mapview.js";
import { askForScale, chooseNone, chosenMicroscope, showMicroscopes, umPerPxOf } from "./microscopes.js";
import { offerModels, showRouting } from "./models.js";
import { hasMaps, isAnswered } from "./reading.js";
import { countWindows, showSection } from "./sectionview.js";
import { listenForPictures, showSamples } from "./sources.js";
import { showVerdict } from "./verdict.js";
import { showRefused } from "./wheremap.js";
import { fileSize, listed, loadWords, percent, word } from "./words.js";

/** @import { ModelFacts } from "../../../tools/page_types/documents" */
/** @import { Clock, Given, Reading, Sample } from "../../../tools/page_types/page" */
/**
 * @typedef {object} Chosen the picture that was chosen
 * @property {File} file
 * @property {string | null} sampleId null unless it is a sample
 * @property {string[]} urls that go with the picture
 * @property {Promise<HTMLImageElement | null>} picture as this browser shows it
 * @property {HTMLImageElement | null} preview as the box shows it, once it was asked
 * @property {Given} given what it was read with last
 * @property {boolean} scaleTakenBack the size that the file states isn't to be used
 * @property {string} caseLabel
 */

const SHAPE_TOLERANCE = 0.02; // browser and box may round a side differently

/** @type {Chosen | null} */
let chosen = null;
/** @type {ModelFacts[]} what the box can read with, once it has said so */
let models = [];
/** @type {Promise<Map<string, Sample>>} the offered samples by id */
let samples = Promise.resolve(new Map());
/** @type {Promise<void>} done when the clinic's microscopes are offered */
let microscopes = Promise.resolve();
/** @type {AbortController | null} of the reading under way */
let request = null;
/** @type {number | null} what the box takes, once it has said so */
let uploadLimitMb = null;
/** @type {AbortController | null} of the listeners on the document */
let listeners = null;

/** @param {"idle" | "busy" | "done" | "failed"} state */
function setState(state) {
  document.body.dataset.state = state;
  show("intro", state === "idle");
  show("chosen", state === "busy" || state === "failed");
  show("progress", state === "busy");
  show("retry", state === "failed");
  show("advanced", state !== "busy");
  byId("microscopes", HTMLFieldSetElement).disabled = state === "busy";
  show("read-again", state === "done" || state === "failed");
  show("result", state === "done");
}

/**
 * @param {File} file
 * @param {string | null} sampleId
 */
function choose(file, sampleId = null) {
  request?.abort();
  if (chosen) {
    chosen.urls.forEach((url) => URL.revokeObjectURL(url));
    forgetGiven(chosen.given);
  }
  const picture = new Image();
  picture.src = URL.createObjectURL(file);
  chosen = {
    file, sampleId, urls: [picture.src], picture: picture.decode().then(() => picture, () => null), given: readGiven(),
    preview: null, scaleTakenBack: false, caseLabel: "",
  };
  inputById("case-label").value = "";
  read(chosen);
}

/**
 * The picture that the browser shows, if it has surely the pixels that the box read, else the box's preview of it; or null.
 * @param {HTMLImageElement | null} shown
 * @param {Reading} reading
 * @param {Chosen} subject
 * @param {AbortSignal} signal
 */
async function pictureOf(shown, { image }, subject, signal) {
  if (shown && !image.preview) {
    const ratio = (shown.naturalWidth / shown.naturalHeight) / (image.width / image.height);
    if (Math.abs(Math.log(ratio)) < SHAPE_TOLERANCE) return shown;
  }
  subject.preview ??= await requestPreview(subject.file, signal);
  if (subject.preview) subject.urls.push(subject.preview.src);
  return subject.preview;
}

/**
 * Has the box read the chosen picture, and shows what it says.
 * @param {Chosen} subject
 */
async function read(subject, given = readGiven()) {
  const { file, picture, sampleId } = subject;
  const controller = new AbortController();
  request = controller;
  setState("busy");
  show("problem", false);
  show("cancelled", false);
  setText("chosen-name", sampleId ? file.name : `${file.name} · ${fileSize(file.size)}`);
  setStage(0);
  scrollTo({ top: 0 });
  picture.then((shown) => {
    if (request !== controller) return;
    show("preview", Boolean(shown));
    show("preview-none", !shown);
    if (shown) byId("preview", HTMLImageElement).src = shown.src;
  });
  try {
    const shown = await picture;
    await microscopes;
    const microscope = chosenMicroscope();
    // The box knows the scale of its samples.
    given.microscope = sampleId || !microscope ? "" : microscope.id;
    subject.given = given;
    const asked = models.filter(({ id }) => !given.model || id === given.model);
    const ofMicroscope = shown && microscope && given.microscope ? umPerPxOf(microscope, shown) : 0;
    const umPerPx = Number(given.umPerPx) || ofMicroscope;
    const windows = shown && umPerPx > 0 ? countWindows(shown, umPerPx, asked) : 0;
    const { reading, boxDate } = await requestReading(file, {
      onProgress: (share) => setStage(share, windows), signal: controller.signal, limitMb: uploadLimitMb, ...given,
    });
    if (request !== controller) return;
    const clock = clockOf(new Date(), boxDate);
    const remembered = given.umPerPx || given.microscope || subject.scaleTakenBack ? null : rememberedScale(reading.image);
    if (remembered) {
      readWithScale(subject, remembered);
      return;
    }
    const drawn = await pictureOf(shown, reading, subject, controller.signal);
    const sample = sampleId ? (await samples).get(sampleId) : undefined;
    if (request === controller) showReading(subject, reading, drawn, sample, clock);
  } catch (problem) {
    if (request !== controller) return; // another picture has been chosen meanwhile
    if (problem instanceof DOMException && problem.name === "AbortError") showCancelled();
    else if (problem instanceof Problem) showProblem(problem);
    else {
      // Half a reading must not stay on the screen.
      showProblem(ownProblem("page"));
      throw problem;
    }
  }
}

/**
 * @param {Chosen} subject
 * @param {number} umPerPx
 */
function readWithScale(subject, umPerPx) {
  writeScale(umPerPx);
  read(subject);
}

// Reads again what was chosen; nothing where a sample couldn't be fetched.
function readAgain() {
  if (chosen) read(chosen);
}

/** @param {"um-per-px" | "model" | "microscope"} thing */
function takeBack(thing) {
  if (thing === "microscope") chooseNone();
  else clearField(thing);
  if (chosen && thing === "um-per-px") chosen.scaleTakenBack = true;
  readAgain();
}

/** The name of the microscope that a picture was read with. @param {Given} given */
const microscopeOf = (given) => (given.microscope ? chosenMicroscope()?.name : undefined);

/** @param {number} share of the upload that is done */
function setStage(share, windows = 0) {
  const sending = share < 1;
  const reading = windows ? word("stage_section", { windows }) : word("stage_read");
  const text = sending ? word("stage_upload", { percent: percent(Math.max(share, 0.01)) }) : reading;
  setText("stage", text);
  const bar = byId("progress-bar", HTMLProgressElement);
  if (sending) bar.value = share;
  else bar.removeAttribute("value"); // how long the reading takes isn't known: a moving bar
  setText("status", sending ? "" : text);
}

function showCancelled() {
  setState("failed");
  show("cancelled");
  within(byId("again"), "span").textContent = word("read");
  suggest("again");
  byId("again").focus();
}

/** @param {Problem} problem */
function showProblem(problem) {
  setState("failed");
  show("problem");
  within(byId("problem-title"), "span").textContent = problem.title;
  setText("problem-detail", problem.detail ?? "");
  setText("problem-next-step", problem.nextStep);
  setText("problem-code", word("error_code", { code: problem.code }));
  // A sample that couldn't be fetched leaves nothing chosen.
  const given = chosen?.given ?? { umPerPx: "", model: "", microscope: "" };
  setText("problem-blame", blameWords(given, problem.code, models, microscopeOf(given)));
  showChips("problem-chips", given, { models, microscope: microscopeOf(given), onRemove: takeBack });
  within(byId("again"), "span").textContent = word("again");
  // What the box says of the file itself won't change by sending it again.
  suggest(problem.status && problem.status >= 400 && problem.status < 500 ? "other" : "again");
}

/** @param {"again" | "other"} id */
function suggest(id) {
  for (const each of ["again", "other"]) byId(each).classList.toggle("primary", each === id);
}

/**
 * @param {Chosen} subject
 * @param {Reading} reading
 * @param {HTMLImageElement | null} picture
 * @param {Sample | undefined} sample
 * @param {Clock} clock
 */
function showReading(subject, reading, picture, sample, clock) {
  const synthetic = Boolean(subject.sampleId);
  const report = () => ({ reading, clock, synthetic, caseLabel: subject.caseLabel });
  setState("done");
  showVerdict(reading);
  showRouting(reading);
  showGiven(subject, reading);
  show("synthetic", synthetic);
  setText("synthetic-sample", sample?.description ?? "");
  for (const id of ["prediction", "units", "save-picture"]) show(id, isAnswered(reading));
  show("map", hasMaps(reading));
  show("refused-picture", !hasMaps(reading));
  showSection(reading.section);
  byId("save-reading").onclick = () => saveReading(report());
  if (hasMaps(reading)) {
    const view = showMap(reading, picture);
    if (isAnswered(reading)) {
      showAnswer(reading);
      show("units", Boolean(reading.units?.length));
      if (reading.units?.length) showUnits(reading, view);
      byId("save-picture").onclick = () => savePicture({ ...report(), reading, picture, view });
    }
  } else {
    showRefused(reading, picture);
  }
  showDetails(reading, { fileName: sample?.title ?? subject.file.name, clock });
  labelCase();
  scrollTo({ top: 0 });
  byId("verdict").focus({ preventScroll: true });
}

/**
 * What was given for the picture, what of it may have caused a refusal, and what the file offers.
 * @param {Chosen} subject
 * @param {Reading} reading
 */
function showGiven(subject, { verdict, image, scale }) {
  const { given } = subject;
  const microscope = microscopeOf(given);
  showChips("chips", given, { models, stated: image.stated_um_per_px, microscope, onRemove: takeBack });
  const { reason } = verdict;
  const isForeign = reason && (reason.variant ?? "soft") === "soft" && FOREIGN_REASONS.includes(reason.code);
  const asked = scale.state === "unknown" && (verdict.accepted || isForeign);
  const blame = reason ? blameWords(given, reason.code, models, microscope) : "";
  setText("blame", asked && isForeign ? `${word("blame_unknown")} ${blame}` : blame);
  setText("scale-words", scale.state === "given" || scale.state === "assumed" ? scale.words : "");
  askForScale(Boolean(asked), {
    onMicroscope: readAgain, onSize: (umPerPx) => readWithScale(subject, umPerPx),
  });
  offerStated(image, given, (umPerPx) => readWithScale(subject, umPerPx));
}

// The label of the case is the clinic's own. It stays in this tab and goes with the picture, so that it can't stand on
// another patient's report.
function labelCase() {
  if (!chosen) return;
  chosen.caseLabel = inputById("case-label").value.trim();
  setText("print-case", chosen.caseLabel ? word("case_label_words", { label: chosen.caseLabel }) : "");
}

async function showIdentity() {
  try {
    const model = await getModel();
    uploadLimitMb = model.limits?.max_upload_mb ?? null;
    models = model.models;
    offerModels(models, chosen?.given.model ?? "");
    setText("identity", listed(model.models.map((each) => `${each.title} · ${word("model_version", each)}`)));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    setText("identity", problem.title);
  }
}

/**
 * Takes over the page in the other language without leaving it, so that the chosen picture isn't lost.
 * @param {MouseEvent} event
 */
async function changeLanguage(event) {
  if (!chosen) return;
  event.preventDefault();
  const address = byId("other-language", HTMLAnchorElement).href;
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return;
  const other = new DOMParser().parseFromString(await answer.text(), "text/html");
  request?.abort();
  request = null;
  document.documentElement.lang = other.documentElement.lang;
  document.title = other.title;
  const subject = chosen;
  const { given, caseLabel } = subject;
  document.body.replaceWith(document.adoptNode(other.body));
  history.replaceState(null, "", address);
  start();
  inputById("case-label").value = caseLabel;
  inputById("um-per-px").value = given.umPerPx;
  read(subject, given); // the models aren't offered yet
}

function start() {
  listeners?.abort();
  listeners = new AbortController();
  loadWords();
  setState("idle");
  listenForPictures((file) => choose(file), listeners.signal);
  samples = showSamples(choose, showSampleProblem);
  microscopes = showMicroscopes(readAgain);
  showIdentity();
  byId("other-language").onclick = changeLanguage;
  byId("cancel").onclick = () => request?.abort();
  byId("again").onclick = readAgain;
  byId("read-again").onclick = readAgain;
  byId("um-per-px").onkeydown = (event) => {
    if (event.key === "Enter") readAgain();
  };
  byId("model").onchange = readAgain;
  byId("case-label").oninput = labelCase;
  byId("print").onclick = async () => {
    await document.fonts.ready;
    print();
  };
}

// Paper can't be unfolded.
addEventListener("beforeprint", () => { byId("details", HTMLDetailsElement).open = true; });

/**
 * A sample that can't be fetched: there is no picture to keep, so the problem stands alone.
 * @param {unknown} problem
 */
function showSampleProblem(problem) {
  if (!(problem instanceof Problem)) throw problem;
  setText("chosen-name", "");
  show("preview", false);
  showProblem(problem);
  show("retry", Boolean(chosen));
}

start();
