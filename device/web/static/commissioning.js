// Commissioning, step by step: an instrument and a model, the clinic's own pictures patient by patient, other material, the
// report, and the signature. The box reads each picture as it comes and drops it; names of files never leave this tab. The
// job's name outlives a reload of the page; what the box knows of it doesn't outlive a restart of the box.

import {
  addToJob, beginJob, diagnoseInJob, discardJob, findColours, getCommissioning, getInstruments, getJob, getProfile, makeReport,
  Problem, readInColours, removeFromJob, revokeProfile, sendProfile, signJob,
} from "./api.js";
import { byId, element, inputById, selectById, setText, show } from "./dom.js";
import { download } from "./exports.js";
import { memory } from "./memory.js";
import { reportParts } from "./sitereport.js";
import { withCode } from "./technician.js";
import { loadWords, number, word, wordOr } from "./words.js";

/** @import { CommissioningDocument, JobDocument, JobPicture, SiteState } from "../../../tools/page_types/documents" */
/** @import { Headers } from "../../../tools/page_types/page" */
/** @typedef {{ patient?: string, label?: string, kind?: string }} Place where a picture belongs */

const JOB = "loupe-commissioning";
const GLASS = "glass";
const FULL = 100; // per cent
// Others' pictures are being read just now: this one waits its turn.
const PASSING = ["busy", "readers_lost"];
const PASSING_MS = 3000;
const PASSING_TRIES = 20;
// What goes wrong with a picture is told beside it; of these no further picture would fare better.
const HOPELESS = ["commissioning_gone", "commissioning_full", "commissioning_picture_unplaced", "network"];

/** @type {CommissioningDocument | null} */
let clinic = null;
/** @type {JobDocument | null} */
let job = null;
let stopped = false;
/** @type {Map<number, File>} the pictures' files by their numbers, as far as they were chosen in this tab */
const files = new Map();
/** @type {Set<string>} headings below which somebody looks at the pictures */
const unfolded = new Set();

/** @param {"busy" | "ready" | "reading" | "failed"} state */
function setState(state) {
  document.body.dataset.state = state;
  const working = state === "busy" || state === "reading";
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = document.querySelectorAll("main section button:not(#stop)"); // those of dialogs ask while it works
  for (const button of buttons) button.disabled = working;
  show("reading", state === "reading");
  if (!working) showInstrumentField();
}

/** @param {unknown} problem */
function problemWords(problem) {
  if (!(problem instanceof Problem)) throw problem;
  return problem.words;
}

/** @param {unknown} problem */
function showProblem(problem) {
  if (!(problem instanceof Problem)) throw problem;
  byId("problem").replaceChildren(element("h2", {}, problem.title), element("p", {}, problem.detail ?? ""), element("p", {}, problem.nextStep));
  byId("problem").dataset.code = problem.code;
  show("problem");
  scrollTo({ top: 0 });
}

/**
 * Does something that takes a moment, and tells what goes wrong with it.
 * @param {() => Promise<void>} action
 */
async function doing(action) {
  setState("busy");
  show("problem", false);
  try {
    await action();
    setState("ready");
  } catch (problem) {
    setState("ready");
    if (problem instanceof Problem && problem.code === "commissioning_gone") forgetJob();
    showProblem(problem);
  }
}

/**
 * A question; whether the answer is yes.
 * @param {string} words
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
function ask(words, yes) {
  const dialog = byId("question", HTMLDialogElement);
  setText("question-words", words);
  setText("question-yes", yes);
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    byId("question-yes").onclick = () => dialog.close("yes");
    byId("question-no").onclick = () => dialog.close("");
    dialog.showModal();
  });
}

// --- how the box stands here -------------------------------------------------------------------------------------------

/**
 * @param {string} heading
 * @param {SiteState} state
 * @param {HTMLElement[]} more
 */
function stateItem(heading, state, ...more) {
  const item = element("li", { className: "site-state" },
    element("h3", {}, heading), element("p", {}, element("strong", {}, state.title)), element("p", {}, state.words), ...more);
  item.dataset.site = state.state;
  return item;
}

/** @param {SiteState} state */
const instrumentWords = (state) => (state.instrument ? word("site_with_instrument", { instrument: state.instrument }) : "");

/** @param {CommissioningDocument["profiles"][number]} profile */
function profileItem({ id, title, used, state }) {
  const keep = element("button", { type: "button", className: "button" }, word("site_download"));
  keep.onclick = () => doing(async () => download(await getProfile(id), `${id}.profile`));
  const buttons = element("div", { className: "drop-buttons" }, keep);
  if (used) {
    const revoke = element("button", { type: "button", className: "button" }, word("site_revoke"));
    revoke.onclick = async () => {
      if (!await ask(word("site_revoke_ask", { profile: id }), word("site_revoke"))) return;
      await doing(async () => showClinic(await withCode((headers) => revokeProfile(id, headers))));
    };
    buttons.append(revoke);
  }
  const date = state.profile?.date ?? "";
  const lines = [word(used ? "site_profile_used" : "site_profile_unused"), date, instrumentWords(state)].filter(Boolean);
  const item = stateItem(`${title} · ${id}`, state, element("p", { className: "hint" }, lines.join(" · ")), buttons);
  item.dataset.profile = id;
  return item;
}

/** @param {CommissioningDocument} document */
function showClinic(document) {
  clinic = document;
  byId("states").replaceChildren(...document.models.flatMap(({ title, states }) => states.map((state) => (
    stateItem([title, instrumentWords(state)].filter(Boolean).join(" · "), state)))));
  byId("profiles").replaceChildren(...document.profiles.length
    ? document.profiles.map(profileItem) : [element("li", { className: "hint" }, word("site_no_profiles"))]);
  inputById("patient").maxLength = document.limits.patient_characters;
  show("under-way", !job && Boolean(document.under_way));
  show("begin-form", !document.under_way);
  if (document.under_way) setText("under-way-words", word("site_under_way", document.under_way));
}

// --- beginning and ending ----------------------------------------------------------------------------------------------

// Where the model needs an instrument and there is none, nothing can begin.
function showInstrumentField() {
  const needed = needsInstrument(selectById("model").value);
  const none = !selectById("instrument").options.length;
  show("instrument-field", needed && !none);
  show("instrument-none", needed && none);
  byId("begin-button", HTMLButtonElement).disabled = needed && none;
}

/** @param {string} model its id */
const needsInstrument = (model) => clinic?.models.find(({ id }) => id === model)?.needs_instrument ?? false;

/** @param {CommissioningDocument} document */
async function offerChoices({ models }) {
  const { instruments } = await getInstruments();
  const option = (/** @type {string} */ value, /** @type {string} */ text) => element("option", { value }, text);
  selectById("model").replaceChildren(...models.map(({ id, title }) => option(id, title)));
  selectById("instrument").replaceChildren(...instruments.map(({ id, name, um_per_px: um }) => (
    option(id, word("site_instrument_option", { name, um: number(um, 4, 0) })))));
  showInstrumentField();
}

/** @param {JobDocument} begun */
function showJob(begun) {
  job = begun;
  memory()?.setItem(JOB, begun.job);
  show("begin", false);
  show("job");
  setText("job-title", begun.instrument ? word("site_job_title", begun) : begun.title);
  setText("job-since", word("site_job_since", begun));
  const open = element("option", { value: "" }, word("site_diagnosis_open"));
  byId("diagnosis").replaceChildren(open, ...begun.labels.map(({ label, name }) => element("option", { value: label }, name)),
    ...begun.groups.map((group) => element("option", { value: group }, wordOr(`site_diagnosis_${group}`, group))));
  showPictures();
  showReport();
}

function forgetJob() {
  job = null;
  files.clear();
  memory()?.removeItem(JOB);
  show("job", false);
  show("begin");
  show("under-way", false);
  show("begin-form");
  showInstrumentField();
}

// --- pictures ------------------------------------------------------------------------------------------------------------

/**
 * @param {"pictures" | "patients" | "labelled" | "glass" | "foreign"} name of the bar and of its words
 * @param {number} count
 * @param {number} wanted
 */
function showMeter(name, count, wanted) {
  setText(`${name}-words`, word(`site_meter_${name}`, { count: number(count), wanted: number(wanted) }));
  const bar = byId(`${name}-bar`, HTMLProgressElement);
  bar.max = wanted;
  bar.value = Math.min(count, wanted);
}

/** @param {JobPicture} picture */
function verdictWords({ kind, usable, accepted, reason }) {
  if (kind !== null) return word(accepted ? "site_material_accepted" : "site_material_refused", { reason });
  if (accepted) return word("site_picture_accepted");
  return word(usable ? "site_picture_refused" : "site_picture_unusable", { reason });
}

/** @param {JobPicture} picture */
function pictureRow(picture) {
  const rank = picture.number;
  const isLost = picture.kind === null && !picture.usable;
  const row = element("div", { className: `site-picture${isLost ? " unusable" : ""}` },
    element("span", { className: "site-verdict" }, word("site_picture", { rank, verdict: verdictWords(picture) })));
  row.dataset.picture = String(rank);
  if (picture.kind === null) row.append(diagnosisChoice(picture));
  const remove = element("button", { type: "button", className: "button", ariaLabel: word("site_remove_label", { rank }) }, word("site_remove"));
  remove.onclick = () => doing(async () => {
    const { job: token } = current();
    showJob(await withCode((headers) => removeFromJob(token, rank, headers)));
  });
  row.append(remove);
  return row;
}

/** @param {JobPicture} picture */
function diagnosisChoice(picture) {
  const choice = element("select", { ariaLabel: word("site_diagnosis_label", { rank: picture.number }) },
    ...[...selectById("diagnosis").options].map(({ value, text }) => element("option", { value }, text)));
  choice.value = picture.label ?? "";
  choice.onchange = () => doing(async () => {
    const { job: token } = current();
    Object.assign(picture, await withCode((headers) => diagnoseInJob(token, picture.number, choice.value || null, headers)));
    withoutReport();
    showPictures();
  });
  return choice;
}

/**
 * Shows pictures below a heading for each patient, or each kind; folded but for the last, and for those that somebody opened.
 * @param {string} id of the list
 * @param {JobPicture[]} pictures
 * @param {(picture: JobPicture) => string} headingOf
 */
function showGrouped(id, pictures, headingOf) {
  /** @type {Map<string, JobPicture[]>} */
  const groups = new Map();
  for (const picture of pictures) groups.set(headingOf(picture), [...groups.get(headingOf(picture)) ?? [], picture]);
  const last = pictures.length ? headingOf(pictures[pictures.length - 1]) : "";
  byId(id).replaceChildren(...[...groups].map(([heading, those]) => {
    const left = those.filter((each) => each.kind === null && !each.usable).length;
    const counts = word(left ? "site_group_left" : "site_group", { count: those.length, left });
    const summary = element("summary", {}, element("strong", {}, heading), ` ${counts}`);
    const folded = element("details", { open: heading === last || unfolded.has(heading) }, summary, ...those.map(pictureRow));
    summary.onclick = () => (folded.open ? unfolded.delete(heading) : unfolded.add(heading));
    return element("li", {}, folded);
  }));
}

const kindWords = (/** @type {string | null} */ kind) => wordOr(`site_kind_${kind}`, kind ?? "");

function showPictures() {
  const { pictures } = current();
  const own = pictures.filter(({ kind }) => kind === null);
  const foreign = pictures.filter(({ kind }) => kind !== null);
  const usable = own.filter((each) => each.usable);
  if (!clinic) return;
  const { wanted } = clinic;
  showMeter("pictures", usable.length, wanted.pictures);
  showMeter("patients", new Set(usable.map(({ patient }) => patient)).size, wanted.patients);
  showMeter("labelled", usable.filter(({ label }) => label !== null).length, wanted.labelled);
  showMeter("glass", foreign.filter(({ kind }) => kind === GLASS).length, wanted.glass);
  showMeter("foreign", foreign.filter(({ kind }) => kind !== GLASS).length, wanted.foreign);
  showGrouped("patients", own, ({ patient }) => word("site_patient_heading", { patient }));
  showGrouped("foreign", foreign, ({ kind }) => kindWords(kind));
  setText("add-own-words", word("site_add_own", { patient: inputById("patient").value.trim() || "–" }));
}

function current() {
  if (!job) throw new Error("no commissioning is under way");
  return job;
}

/**
 * Shows what is wrong with pictures: once, with the first one's name, where several have the same.
 * @param {Map<string, string[]>} troubles names of pictures
 */
function showTroubles(troubles) {
  byId("trouble").replaceChildren(...[...troubles].map(([trouble, [name, ...others]]) => element("li", {},
    word(others.length ? "site_pictures_trouble" : "site_picture_trouble", { name, more: others.length, trouble }))));
  show("trouble", troubles.size > 0);
}

/**
 * Sends one picture, again where the box is busy with others'.
 * @param {(headers: Headers) => Promise<JobPicture>} once
 */
async function send(once) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await withCode(once);
    } catch (problem) {
      if (!(problem instanceof Problem && PASSING.includes(problem.code)) || tries >= PASSING_TRIES || stopped) throw problem;
      await new Promise((resolve) => { setTimeout(resolve, PASSING_MS); });
    }
  }
}

/**
 * Says which picture is being read.
 * @param {number} index
 * @param {number} count
 */
function showReading(index, count) {
  setText("reading-words", word("site_reading", { rank: index + 1, count }));
  setText("status", word("site_reading", { rank: index + 1, count }));
  const bar = byId("reading-bar", HTMLProgressElement);
  bar.max = count;
  bar.value = index;
}

/**
 * Has the box read these files, one after the other.
 * @param {File[]} added
 * @param {Place} place
 */
async function addPictures(added, place) {
  stopped = false;
  /** @type {Map<string, string[]>} */
  const troubles = new Map();
  showTroubles(troubles);
  show("problem", false);
  setState("reading");
  for (const [index, file] of added.entries()) {
    if (stopped) break;
    showReading(index, added.length);
    try {
      const picture = await send((headers) => addToJob(current().job, file, place, headers));
      files.set(picture.number, file);
      current().pictures.push(picture);
      withoutReport();
      showPictures();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const trouble = problemWords(problem);
      troubles.set(trouble, [...troubles.get(trouble) ?? [], file.name]);
      showTroubles(troubles);
      if (problem.code.startsWith("technician_") || HOPELESS.includes(problem.code)) {
        if (problem.code === "commissioning_gone") forgetJob();
        showProblem(problem);
        break;
      }
    }
  }
  setText("status", "");
  setState("ready");
}

/**
 * Files that were chosen go to the place that is written down then.
 * @param {string} id of the field
 * @param {() => Place} placeOf
 */
function listenForFiles(id, placeOf) {
  const field = inputById(id);
  field.onclick = () => { field.value = ""; };
  field.onchange = () => {
    const chosen = [...field.files ?? []];
    if (chosen.length) addPictures(chosen, placeOf());
  };
}

const ownPlace = () => ({ patient: inputById("patient").value.trim(), label: selectById("diagnosis").value });

function nextPatient() {
  const numbers = current().pictures.map(({ patient }) => Number(patient)).filter((each) => Number.isInteger(each));
  inputById("patient").value = String(Math.max(0, ...numbers, Number(inputById("patient").value) || 0) + 1);
  selectById("diagnosis").value = "";
  showPictures();
  byId("add-own").focus();
}

// --- report and signature --------------------------------------------------------------------------------------------------

// What was found is of the pictures as they were.
function withoutReport() {
  current().report = null;
  showReport();
}

function showReport() {
  const { report } = current();
  show("report", Boolean(report));
  show("sign-buttons", Boolean(report));
  byId("report").replaceChildren(...report ? reportParts(report) : []);
}

/**
 * Has all pictures read again in the clinic's colours, where the model gains by it and this tab still has their files.
 * @param {JobDocument} asked
 */
async function matchColours({ job: token, needs_colours: needed, coloured, pictures }) {
  if (!needed || coloured || !pictures.every((picture) => files.has(picture.number))) return;
  const { colours_found: found } = await withCode((headers) => findColours(token, headers));
  if (!found) return;
  show("reading");
  for (const [index, { number: rank }] of pictures.entries()) {
    showReading(index, pictures.length);
    const file = /** @type {File} */ (files.get(rank));
    await send((headers) => readInColours(token, rank, file, headers));
  }
  show("reading", false);
}

/** @param {SubmitEvent} event */
function askForReport(event) {
  event.preventDefault();
  const field = inputById("floor"), typed = field.value.replace(",", ".").replace("%", "").trim();
  const floor = Number(typed) / FULL;
  if (!typed || !(floor >= 0 && floor <= 1)) {
    field.setCustomValidity(word("site_floor_invalid"));
    field.reportValidity();
    return;
  }
  doing(async () => {
    const { job: token } = current();
    await matchColours(current());
    setText("status", word("site_report_making"));
    showJob(await withCode((headers) => makeReport(token, floor, headers)));
    setText("status", word("site_report_made"));
    byId("report").scrollIntoView({ block: "nearest" });
  });
}

const sign = () => doing(async () => {
  const { job: token } = current();
  showClinic(await withCode((headers) => signJob(token, headers)));
  forgetJob();
  setText("status", word("site_signed"));
  scrollTo({ top: 0 });
});

async function discard() {
  if (!await ask(word("site_discard_ask"), word("site_discard"))) return;
  await doing(async () => {
    const document = await withCode((headers) => discardJob(headers));
    forgetJob();
    showClinic(document);
  });
}

/** @param {SubmitEvent} event */
function begin(event) {
  event.preventDefault();
  doing(async () => {
    const model = selectById("model").value;
    const instrument = needsInstrument(model) ? selectById("instrument").value : null;
    showJob(await withCode((headers) => beginJob(model, instrument, headers)));
    inputById("patient").value = "1";
    showPictures();
  });
}

async function start() {
  loadWords();
  byId("begin-form").onsubmit = begin;
  byId("model").onchange = showInstrumentField;
  byId("report-form").onsubmit = askForReport;
  inputById("floor").oninput = () => inputById("floor").setCustomValidity("");
  byId("sign").onclick = sign;
  byId("discard").onclick = discard;
  byId("discard-other").onclick = discard;
  byId("next-patient").onclick = nextPatient;
  byId("patient").oninput = showPictures;
  byId("add-own").onclick = () => inputById("own-files").click();
  byId("add-foreign").onclick = () => inputById("foreign-files").click();
  byId("stop").onclick = () => { stopped = true; };
  byId("upload").onclick = () => inputById("profile-file").click();
  listenForFiles("own-files", ownPlace);
  listenForFiles("foreign-files", () => ({ kind: selectById("kind").value }));
  const profileFile = inputById("profile-file");
  profileFile.onclick = () => { profileFile.value = ""; };
  profileFile.onchange = () => {
    const [file] = profileFile.files ?? [];
    if (file) doing(async () => showClinic(await withCode((headers) => sendProfile(file, headers))));
  };
  await doing(async () => {
    const document = await getCommissioning();
    showClinic(document);
    const token = memory()?.getItem(JOB);
    show("begin", !token);
    await offerChoices(document);
    if (!token) return;
    showJob(await getJob(token));
    nextPatient();
  });
}

start();
