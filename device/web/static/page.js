// The page from a chosen picture to a reading on the screen. The states are those of body[data-state]:
// idle -> busy -> done, or -> failed (the picture stays, so that one can try again).

import { getModel, ownProblem, Problem, requestPreview, requestReading } from "./api.js";
import { clockOf } from "./clock.js";
import { showDetails } from "./details.js";
import { byId, setText, show } from "./dom.js";
import { savePicture, saveReading } from "./exports.js";
import { showAnswer, showUnits } from "./findings.js";
import { blameWords, forgetGiven, offerStated, readGiven, rememberedScale, showChips, writeScale } from "./given.js";
import { showMap } from "./mapview.js";
import { offerModels, showRouting } from "./models.js";
import { countWindows, showSection } from "./sectionview.js";
import { listenForPictures, showSamples } from "./sources.js";
import { showVerdict } from "./verdict.js";
import { showRefused } from "./wheremap.js";
import { fileSize, loadWords, percent, word } from "./words.js";

const SHAPE_TOLERANCE = 0.02; // browser and box may round a side differently

// { file, sampleId: null unless a sample, urls, picture: Promise of an <img> or null, given: what it was read with last,
// keepsOwnScale: the size that the file states was taken back, caseLabel }
let chosen = null;
let models = []; // what the box can read with, once it has said so
let samples = null; // Promise of the offered samples by id
let request = null; // AbortController of the reading under way
let uploadLimitMb = null; // what the box takes, once it has said so
let listeners = null; // AbortController of the listeners on the document

function setState(state) {
  document.body.dataset.state = state;
  show("intro", state === "idle");
  show("chosen", state === "busy" || state === "failed");
  show("progress", state === "busy");
  show("retry", state === "failed");
  show("advanced", state !== "busy");
  show("read-again", state === "done" || state === "failed");
  show("result", state === "done");
}

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
  byId("case-label").value = "";
  return read();
}

// The picture that the browser shows, if it has surely the pixels that the box read, else the box's preview of it; or null.
async function pictureOf(shown, { image }, signal) {
  const ratio = shown && (shown.naturalWidth / shown.naturalHeight) / (image.width / image.height);
  if (shown && !image.preview && Math.abs(Math.log(ratio)) < SHAPE_TOLERANCE) return shown;
  const mine = chosen;
  mine.preview ??= await requestPreview(mine.file, signal);
  if (mine.preview) mine.urls.push(mine.preview.src);
  return mine.preview;
}

async function read(given = readGiven()) {
  const { file, picture, sampleId } = chosen;
  const mine = new AbortController();
  request = mine;
  chosen.given = given;
  setState("busy");
  show("problem", false);
  show("cancelled", false);
  setText("chosen-name", sampleId ? file.name : `${file.name} · ${fileSize(file.size)}`);
  setStage(0);
  scrollTo({ top: 0 });
  picture.then((shown) => {
    if (request !== mine) return;
    show("preview", Boolean(shown));
    show("preview-none", !shown);
    if (shown) byId("preview").src = shown.src;
  });
  try {
    const shown = await picture;
    const asked = models.filter(({ id }) => !given.model || id === given.model);
    const windows = shown && Number(given.umPerPx) > 0 ? countWindows(shown, Number(given.umPerPx), asked) : 0;
    const { reading, boxDate } = await requestReading(file, {
      onProgress: (share) => setStage(share, windows), signal: mine.signal, limitMb: uploadLimitMb, ...given,
    });
    if (request !== mine) return;
    const clock = clockOf(new Date(), boxDate);
    const remembered = given.umPerPx || chosen.scaleTakenBack ? null : rememberedScale(reading.image);
    if (remembered) {
      readWithScale(remembered);
      return;
    }
    const drawn = await pictureOf(shown, reading, mine.signal);
    const sample = sampleId && (await samples).get(sampleId);
    if (request === mine) showReading(reading, drawn, sample, clock);
  } catch (problem) {
    if (request !== mine) return; // another picture has been chosen meanwhile
    if (problem.name === "AbortError") showCancelled();
    else if (problem instanceof Problem) showProblem(problem);
    else {
      // Half a reading must not stay on the screen.
      showProblem(ownProblem("page"));
      throw problem;
    }
  }
}

function readWithScale(umPerPx) {
  writeScale(umPerPx);
  read();
}

function takeBack(field) {
  byId(field).value = "";
  if (field === "um-per-px") chosen.scaleTakenBack = true;
  read();
}

function setStage(share, windows = 0) {
  const sending = share < 1;
  const reading = windows ? word("stage_section", { windows }) : word("stage_read");
  const text = sending ? word("stage_upload", { percent: percent(Math.max(share, 0.01)) }) : reading;
  setText("stage", text);
  if (sending) byId("progress-bar").value = share;
  else byId("progress-bar").removeAttribute("value"); // how long the reading takes isn't known: a moving bar
  setText("status", sending ? "" : text);
}

function showCancelled() {
  setState("failed");
  show("cancelled");
  byId("again").lastElementChild.textContent = word("read");
  suggest("again");
  byId("again").focus();
}

function showProblem(problem) {
  setState("failed");
  show("problem");
  byId("problem-title").lastElementChild.textContent = problem.title;
  setText("problem-detail", problem.detail ?? "");
  setText("problem-next-step", problem.nextStep);
  setText("problem-code", word("error_code", { code: problem.code }));
  // A sample that couldn't be fetched leaves nothing chosen.
  const given = chosen?.given ?? { umPerPx: "", model: "" };
  setText("problem-blame", blameWords(given, problem.code, models));
  showChips("problem-chips", given, { models, onRemove: takeBack });
  byId("again").lastElementChild.textContent = word("again");
  // What the box says of the file itself won't change by sending it again.
  suggest(problem.status >= 400 && problem.status < 500 ? "other" : "again");
}

function suggest(id) {
  for (const each of ["again", "other"]) byId(each).classList.toggle("primary", each === id);
}

function showReading(reading, picture, sample, clock) {
  const synthetic = Boolean(chosen.sampleId);
  const accepted = reading.verdict.accepted;
  let view = null;
  setState("done");
  showVerdict(reading);
  showRouting(reading);
  showGiven(reading);
  show("synthetic", synthetic);
  setText("synthetic-sample", sample?.description ?? "");
  for (const id of ["prediction", "map", "units", "save-picture"]) show(id, accepted);
  show("refused-picture", !accepted);
  showSection(reading.section);
  if (accepted) {
    showAnswer(reading);
    view = showMap(reading, picture);
    show("units", Boolean(reading.units?.length));
    if (reading.units?.length) showUnits(reading, view);
  } else {
    showRefused(reading, picture);
  }
  showDetails(reading, { fileName: sample?.title ?? chosen.file.name, clock });
  labelCase();
  const kept = { reading, picture, view, clock, synthetic };
  byId("save-reading").onclick = () => saveReading({ ...kept, caseLabel: chosen.caseLabel });
  byId("save-picture").onclick = () => savePicture({ ...kept, caseLabel: chosen.caseLabel });
  scrollTo({ top: 0 });
  byId("verdict").focus({ preventScroll: true });
}

// What was given for the picture, what of it may have caused a refusal, and what the file offers.
function showGiven({ verdict, image }) {
  const { given } = chosen;
  showChips("chips", given, { models, stated: image.stated_um_per_px, onRemove: takeBack });
  setText("blame", verdict.reason ? blameWords(given, verdict.reason.code, models) : "");
  offerStated(image, given, readWithScale);
}

// The label of the case is the clinic's own. It stays in this tab and goes with the picture, so that it can't stand on
// another patient's report.
function labelCase() {
  chosen.caseLabel = byId("case-label").value.trim();
  setText("print-case", chosen.caseLabel ? word("case_label_words", { label: chosen.caseLabel }) : "");
}

async function showIdentity() {
  try {
    const model = await getModel();
    uploadLimitMb = model.limits?.max_upload_mb ?? null;
    models = model.models;
    offerModels(models, chosen?.given.model);
    setText("identity", model.models.map((each) => `${each.title} · ${word("model_version", each)}`).join("; "));
  } catch (problem) {
    setText("identity", problem.title);
  }
}

// Takes over the page in the other language without leaving it, so that the chosen picture isn't lost.
async function changeLanguage(event) {
  if (!chosen) return;
  event.preventDefault();
  const address = event.currentTarget.href;
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return;
  const other = new DOMParser().parseFromString(await answer.text(), "text/html");
  request?.abort();
  request = null;
  document.documentElement.lang = other.documentElement.lang;
  document.title = other.title;
  const { given, caseLabel } = chosen;
  document.body.replaceWith(document.adoptNode(other.body));
  history.replaceState(null, "", address);
  start();
  byId("case-label").value = caseLabel;
  byId("um-per-px").value = given.umPerPx;
  read(given); // the models aren't offered yet
}

function start() {
  listeners?.abort();
  listeners = new AbortController();
  loadWords();
  setState("idle");
  listenForPictures((file) => choose(file), listeners.signal);
  samples = showSamples(choose, showIfIdle);
  showIdentity();
  byId("other-language").onclick = changeLanguage;
  byId("cancel").onclick = () => request?.abort();
  byId("again").onclick = () => read();
  byId("read-again").onclick = () => read();
  byId("um-per-px").onkeydown = (event) => {
    if (event.key === "Enter" && chosen) read();
  };
  byId("model").onchange = () => {
    if (chosen) read();
  };
  byId("case-label").oninput = labelCase;
  byId("print").onclick = async () => {
    await document.fonts.ready;
    print();
  };
}

// Paper can't be unfolded.
addEventListener("beforeprint", () => { byId("details").open = true; });

// A sample that can't be fetched: there is no picture to keep, so the problem stands alone.
function showIfIdle(problem) {
  setText("chosen-name", "");
  show("preview", false);
  showProblem(problem);
  show("retry", Boolean(chosen));
}

start();
