// Talks to the box. Whatever goes wrong comes out as a Problem that says why and what to do next.

import { READING_SCHEMA } from "./constants.js";
import { errorWords, language, word } from "./words.js";

/** @import { CommissioningDocument, JobDocument, JobPicture } from "../../../tools/page_types/documents" */
/** @import { GlassDocument, InstrumentEntry, InstrumentsDocument, MarksDocument, PixelSizeDocument } from "../../../tools/page_types/documents" */
/** @import { ModelFacts, ModelsDocument, ReadingDocument, SamplesDocument, UnitDocument, UnitsDocument } from "../../../tools/page_types/documents" */
/** @import { Headers, ProblemWords, Sample } from "../../../tools/page_types/page" */

const PATIENCE_MS = 120_000;
const PATIENCE_SECTION_MS = 1_200_000; // thousands of windows on a small board

export class Problem extends Error {
  /** @param {ProblemWords & { code: string, status?: number }} words `status`: of the answer, where there was one */
  constructor({ title, detail, next_step, code, status }) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.nextStep = next_step;
    this.code = code;
    this.status = status;
  }

  /** All of it, in one line. */
  get words() {
    return `${this.title}. ${this.detail ?? ""} ${this.nextStep}`;
  }
}

/**
 * A problem that this page words itself.
 * @param {413 | 503 | "network" | "page" | "timeout" | "unexpected"} name
 * @param {{ status?: number }} facts
 */
export function ownProblem(name, facts = {}) {
  return new Problem({
    title: word(`problem_${name}_title`),
    detail: word(`problem_${name}_detail`, facts),
    next_step: word(`problem_${name}_next_step`),
    code: String(name),
    status: facts.status,
  });
}

/**
 * The service words its own problems; a proxy or a half-started service may answer without them.
 * @param {number} status
 * @param {(ProblemWords & { code: string }) | null} body
 */
function problemFrom(status, body) {
  if (body?.title && body?.next_step) return new Problem({ ...body, status });
  if (status === 413 || status === 503) return ownProblem(status, { status });
  return ownProblem("unexpected", { status });
}

/**
 * The file's name stays here: it may hold a patient's name and the box has no use for it.
 * @param {Blob} file
 */
function formOf(file) {
  const form = new FormData();
  form.append("image", file, "picture");
  return form;
}

/**
 * What JSON says, null where it is none.
 * @param {string} text
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Sends one picture. Of the answer: the reading, and the box's clock or null.
 * @param {File} file
 * @param {object} options
 * @param {(share: number) => void} options.onProgress gets the share of the upload that is done, 1 once the box reads
 * @param {AbortSignal} options.signal
 * @param {number | null} options.limitMb
 * @param {string} options.umPerPx
 * @param {string} options.model
 * @param {string} options.microscope its id
 * @returns {Promise<{ reading: ReadingDocument, boxDate: Date | null }>}
 */
export function requestReading(file, { onProgress, signal, limitMb, umPerPx, model, microscope }) {
  const refuse = (/** @type {string} */ code, /** @type {number} */ status, /** @type {object} */ facts) => (
    Promise.reject(new Problem({ ...errorWords(code, facts), code, status })));
  if (file.size === 0) return refuse("image_empty", 422, {});
  if (limitMb && file.size > limitMb * 1e6) return refuse("upload_too_large", 413, { limit_mb: limitMb });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch can't report the progress of an upload
    const of = microscope ? `&instrument=${encodeURIComponent(microscope)}` : "";
    const scale = umPerPx ? `&um_per_px=${encodeURIComponent(umPerPx)}` : of;
    const named = model ? `&model=${encodeURIComponent(model)}` : "";
    request.open("POST", `/api/v1/readings?lang=${language()}${scale}${named}`);
    request.responseType = "text";
    request.timeout = scale ? PATIENCE_SECTION_MS : PATIENCE_MS;
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => onProgress(1);
    request.onload = () => {
      const body = parsed(request.response);
      const boxDate = new Date(request.getResponseHeader("Date") ?? "");
      if (request.status === 200 && body?.schema === READING_SCHEMA) {
        resolve({ reading: body, boxDate: boxDate.getTime() > 0 ? boxDate : null });
      } else {
        reject(problemFrom(request.status, body));
      }
    };
    request.onerror = () => reject(ownProblem("network"));
    request.ontimeout = () => reject(ownProblem("timeout"));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(formOf(file));
  });
}

/**
 * The pixels that the box reads, as an <img>, for a file that this browser doesn't show as they are; null where the box
 * can't give them just now: the reading stands without.
 * @param {File} file
 * @param {AbortSignal} signal
 */
export async function requestPreview(file, signal) {
  const url = `/api/v1/previews?lang=${language()}`;
  const answer = await fetch(url, { method: "POST", body: formOf(file), signal }).catch(() => null);
  if (!answer?.ok) return null;
  const picture = new Image();
  picture.src = URL.createObjectURL(await answer.blob());
  return picture.decode().then(() => picture, () => null);
}

/**
 * @param {string} path
 * @param {Record<string, string>} parameters
 */
async function get(path, parameters = {}) {
  return ask("GET", path, parameters);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Record<string, string>} parameters
 * @param {unknown} [message] sent as JSON, where there is one; a form or a file as it is
 * @param {Headers} [headers]
 */
async function ask(method, path, parameters, message, headers = {}) {
  const isFile = message instanceof FormData || message instanceof Blob;
  const content = message === undefined || isFile
    ? { headers, body: message } : { body: JSON.stringify(message), headers: { ...headers, "Content-Type": "application/json" } };
  let answer;
  try {
    answer = await fetch(`${path}?${new URLSearchParams({ ...parameters, lang: language() })}`, { method, ...content });
  } catch {
    throw ownProblem("network");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body) throw problemFrom(answer.status, body);
  return body;
}

/** @returns {Promise<ModelsDocument>} */
export const getModel = () => get("/api/v1/model");

/**
 * @param {string} model
 * @returns {Promise<UnitsDocument>}
 */
export const getUnits = (model) => get("/api/v1/units", { model });

/**
 * @param {string} model
 * @param {number} unit
 * @param {{ expert: string, term?: string, text?: string }} name
 * @returns {Promise<UnitDocument>}
 */
export const nameUnit = (model, unit, name) => ask("PUT", `/api/v1/units/${unit}/name`, { model }, name);

/**
 * @param {string} model
 * @param {number} unit
 * @param {string} expert
 * @param {Headers} headers
 * @returns {Promise<UnitDocument>}
 */
export const takeBackUnitName = (model, unit, expert, headers) =>
  ask("DELETE", `/api/v1/units/${unit}/name`, { model, expert }, undefined, headers);

/**
 * @param {string} model
 * @returns {Promise<unknown>}
 */
export const getUnitNames = (model) => get("/api/v1/units/names", { model });

/**
 * @param {string} model
 * @param {unknown} names as `getUnitNames` gave them
 * @param {Headers} headers
 * @returns {Promise<{ imported: number }>}
 */
export const sendUnitNames = (model, names, headers) => ask("PUT", "/api/v1/units/names", { model }, names, headers);

/**
 * @param {string} model
 * @param {Headers} headers
 * @returns {Promise<unknown>}
 */
export const resetWatch = (model, headers) => ask("POST", "/api/v1/health/reset", {}, { model, confirm: true }, headers);

/** @returns {Promise<InstrumentsDocument>} */
export const getInstruments = () => get("/api/v1/instruments");

/**
 * @param {object} instrument
 * @param {Headers} headers
 * @returns {Promise<InstrumentEntry>}
 */
export const addInstrument = (instrument, headers) => ask("POST", "/api/v1/instruments", {}, instrument, headers);

/**
 * @param {string} id
 * @param {object} instrument
 * @param {Headers} headers
 * @returns {Promise<InstrumentEntry>}
 */
export const changeInstrument = (id, instrument, headers) => ask("PUT", `/api/v1/instruments/${id}`, {}, instrument, headers);

/**
 * @param {string} id
 * @param {Headers} headers
 * @returns {Promise<InstrumentsDocument>}
 */
export const deleteInstrument = (id, headers) => ask("DELETE", `/api/v1/instruments/${id}`, {}, undefined, headers);

/**
 * What a photo tells of the instrument that took it.
 * @param {"marks" | "glass" | "pixel-size"} what
 * @param {File} file
 * @returns {Promise<MarksDocument | GlassDocument | PixelSizeDocument>}
 */
export async function measure(what, file) {
  if (file.size === 0) throw new Problem({ ...errorWords("image_empty", {}), code: "image_empty", status: 422 });
  return ask("POST", `/api/v1/measurements/${what}`, {}, formOf(file));
}

// --- commissioning ---

const JOB = "/api/v1/commissioning/job";
const PROFILES = "/api/v1/commissioning/profiles";

/** @returns {Promise<CommissioningDocument>} */
export const getCommissioning = () => get("/api/v1/commissioning");

/**
 * @param {string} model
 * @param {string | null} instrument
 * @param {Headers} headers
 * @returns {Promise<JobDocument>}
 */
export const beginJob = (model, instrument, headers) => ask("POST", JOB, {}, { model, instrument }, headers);

/**
 * @param {string} job
 * @returns {Promise<JobDocument>}
 */
export const getJob = (job) => get(JOB, { job });

/**
 * @param {Headers} headers
 * @returns {Promise<CommissioningDocument>}
 */
export const discardJob = (headers) => ask("DELETE", JOB, {}, undefined, headers);

/**
 * The picture goes to a patient, with a diagnosis or none, or to a kind of other material.
 * @param {string} job
 * @param {File} file
 * @param {{ patient?: string, label?: string, kind?: string }} place
 * @param {Headers} headers
 * @returns {Promise<JobPicture>}
 */
export const addToJob = (job, file, place, headers) => ask("POST", `${JOB}/pictures`, { job, ...place }, formOf(file), headers);

/**
 * @param {string} job
 * @param {Headers} headers
 * @returns {Promise<JobDocument>}
 */
export const findColours = (job, headers) => ask("POST", `${JOB}/colours`, { job }, undefined, headers);

/**
 * The same picture once more, to be read in the clinic's colours.
 * @param {string} job
 * @param {number} picture
 * @param {File} file
 * @param {Headers} headers
 * @returns {Promise<JobPicture>}
 */
export const readInColours = (job, picture, file, headers) => ask("POST", `${JOB}/pictures/${picture}`, { job }, formOf(file), headers);

/**
 * @param {string} job
 * @param {number} picture
 * @param {string | null} label
 * @param {Headers} headers
 * @returns {Promise<JobPicture>}
 */
export const diagnoseInJob = (job, picture, label, headers) => ask("PUT", `${JOB}/pictures/${picture}`, { job }, { label }, headers);

/**
 * @param {string} job
 * @param {number} picture
 * @param {Headers} headers
 * @returns {Promise<JobDocument>}
 */
export const removeFromJob = (job, picture, headers) => ask("DELETE", `${JOB}/pictures/${picture}`, { job }, undefined, headers);

/**
 * @param {string} job
 * @param {number} floor the least accuracy that the clinic asks for, 0 to 1
 * @param {Headers} headers
 * @returns {Promise<JobDocument>}
 */
export const makeReport = (job, floor, headers) => ask("POST", `${JOB}/report`, { job }, { floor }, headers);

/**
 * @param {string} job
 * @param {Headers} headers
 * @returns {Promise<CommissioningDocument>}
 */
export const signJob = (job, headers) => ask("POST", `${JOB}/profile`, { job }, undefined, headers);

/** @param {string} profile */
export async function getProfile(profile) {
  const answer = await fetch(`${PROFILES}/${profile}?lang=${language()}`).catch(() => null);
  if (!answer) throw ownProblem("network");
  if (!answer.ok) throw problemFrom(answer.status, parsed(await answer.text()));
  return answer.blob();
}

/**
 * @param {File} file
 * @param {Headers} headers
 * @returns {Promise<CommissioningDocument>}
 */
export const sendProfile = (file, headers) => (
  ask("POST", PROFILES, {}, new Blob([file], { type: "application/octet-stream" }), headers));

/**
 * @param {string} profile
 * @param {Headers} headers
 * @returns {Promise<CommissioningDocument>}
 */
export const revokeProfile = (profile, headers) => ask("DELETE", `${PROFILES}/${profile}`, {}, undefined, headers);

export async function getSamples() {
  /** @type {SamplesDocument} */
  const { samples } = await get("/api/v1/samples");
  return samples;
}

/** @param {Sample} sample */
export async function getSamplePicture(sample) {
  const answer = await fetch(sample.url).catch(() => null);
  if (!answer?.ok) throw ownProblem(answer ? "unexpected" : "network", { status: answer?.status });
  const blob = await answer.blob();
  return new File([blob], sample.title, { type: blob.type });
}
