// The page from a chosen picture to a reading on the screen. The states are those of body[data-state]:
// idle -> busy -> done, or -> failed (the picture stays, so that one can try again).

import { getModel, ownProblem, Problem, requestReading } from "./api.js";
import { showDetails } from "./details.js";
import { byId, setText, show } from "./dom.js";
import { savePicture, saveReading } from "./exports.js";
import { showPrediction, showUnits } from "./findings.js";
import { showMap } from "./mapview.js";
import { offerModels, showRouting } from "./models.js";
import { countWindows, showSection } from "./sectionview.js";
import { listenForPictures, showSamples } from "./sources.js";
import { showVerdict } from "./verdict.js";
import { showRefused } from "./wheremap.js";
import { loadWords, number, percent, word } from "./words.js";

let chosen = null; // { file, sampleId: null unless a sample, url, picture: Promise of an <img> or null }
let models = []; // what the box can read with, once it has said so
let samples = null; // Promise of the offered samples by id
let request = null; // AbortController of the reading under way
let uploadLimitMb = null; // what the box takes, once it has said so
let wantedModel = ""; // the model that shall read; none: the one that knows the picture
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
  if (chosen) URL.revokeObjectURL(chosen.url);
  const url = URL.createObjectURL(file);
  const picture = new Image();
  picture.src = url;
  chosen = { file, sampleId, url, picture: picture.decode().then(() => picture, () => null) };
  return read();
}

async function read() {
  const { file, picture, sampleId } = chosen;
  const mine = new AbortController();
  request = mine;
  setState("busy");
  show("problem", false);
  show("cancelled", false);
  setText("chosen-name", sampleId ? file.name : `${file.name} · ${word("file_size", { size: number(Math.max(0.1, file.size / 1e6), 1) })}`);
  setStage(0);
  scrollTo({ top: 0 });
  // A comma is how a fraction is written in French.
  const umPerPx = byId("um-per-px").value.trim().replace(",", ".");
  picture.then((shown) => {
    if (request !== mine) return;
    show("preview", Boolean(shown));
    show("preview-none", !shown);
    if (shown) byId("preview").src = shown.src;
  });
  try {
    const shown = await picture;
    const asked = models.filter(({ id }) => !wantedModel || id === wantedModel);
    const windows = shown && Number(umPerPx) > 0 ? countWindows(shown, Number(umPerPx), asked) : 0;
    const reading = await requestReading(file, {
      onProgress: (share) => setStage(share, windows), signal: mine.signal, limitMb: uploadLimitMb, umPerPx,
      model: wantedModel,
    });
    const sample = sampleId && (await samples).get(sampleId);
    if (request === mine) showReading(reading, shown, sample);
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

function setStage(share, windows = 0) {
  const sending = share < 1;
  const reading = windows ? word("stage_section", { windows: number(windows) }) : word("stage_read");
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
  byId("again").lastElementChild.textContent = word("again");
  // What the box says of the file itself won't change by sending it again.
  suggest(problem.status >= 400 && problem.status < 500 ? "other" : "again");
}

function suggest(id) {
  for (const each of ["again", "other"]) byId(each).classList.toggle("primary", each === id);
}

function showReading(reading, picture, sample) {
  const date = new Date();
  const synthetic = Boolean(chosen.sampleId);
  const accepted = reading.verdict.accepted;
  let view = null;
  setState("done");
  showVerdict(reading);
  showRouting(reading);
  show("synthetic", synthetic);
  setText("synthetic-sample", sample?.description ?? "");
  for (const id of ["prediction", "map", "units", "save-picture"]) show(id, accepted);
  show("refused-picture", !accepted);
  showSection(reading.section);
  if (accepted) {
    showPrediction(reading.prediction);
    view = showMap(reading, picture);
    show("units", Boolean(reading.units?.length));
    if (reading.units?.length) showUnits(reading, view);
  } else {
    showRefused(reading, picture);
  }
  showDetails(reading, { fileName: sample?.title ?? chosen.file.name, date });
  setText("print-date", byId("details-list").querySelector("dd").textContent);
  byId("save-reading").onclick = () => saveReading(reading, date);
  byId("save-picture").onclick = () => savePicture({ reading, picture, view, date, synthetic });
  scrollTo({ top: 0 });
  byId("verdict").focus({ preventScroll: true });
}

async function showIdentity() {
  try {
    const model = await getModel();
    uploadLimitMb = model.limits?.max_upload_mb ?? null;
    models = model.models;
    offerModels(models, wantedModel);
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
  const umPerPx = byId("um-per-px").value;
  document.body.replaceWith(document.adoptNode(other.body));
  byId("um-per-px").value = umPerPx;
  history.replaceState(null, "", address);
  start();
  read();
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
  byId("again").onclick = read;
  byId("read-again").onclick = read;
  byId("um-per-px").onkeydown = (event) => {
    if (event.key === "Enter" && chosen) read();
  };
  byId("model").onchange = ({ target }) => {
    wantedModel = target.value;
    if (chosen) read();
  };
  byId("print").onclick = () => print();
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
