// Talks to the box. Whatever goes wrong comes out as a Problem that says why and what to do next.

import { errorWords, language, word } from "./words.js";

const PATIENCE_MS = 120_000;
const PATIENCE_SECTION_MS = 1_200_000; // thousands of windows on a small board

export class Problem extends Error {
  constructor({ title, detail, next_step, code, status }) {
    super(title);
    Object.assign(this, { title, detail, nextStep: next_step, code, status });
  }
}

export function ownProblem(name, facts = {}) {
  return new Problem({
    title: word(`problem_${name}_title`),
    detail: word(`problem_${name}_detail`, facts),
    next_step: word(`problem_${name}_next_step`),
    code: name,
    status: facts.status,
  });
}

// The service words its own problems; a proxy or a half-started service may answer without them.
function problemFrom(status, body) {
  if (body?.title && body?.next_step) return new Problem({ ...body, status });
  if (status === 413 || status === 503) return ownProblem(status, { status });
  return ownProblem("unexpected", { status });
}

// The file's name stays here: it may hold a patient's name and the box has no use for it.
function formOf(file) {
  const form = new FormData();
  form.append("image", file, "picture");
  return form;
}

// Sends one picture and answers `{ reading, boxDate }`: the reading, and the box's clock or null. `onProgress(share)` gets
// the share of the upload that is done, 1 once the box reads.
export function requestReading(file, { onProgress, signal, limitMb, umPerPx, model }) {
  const refuse = (code, status, facts) => Promise.reject(new Problem({ ...errorWords(code, facts), code, status }));
  if (file.size === 0) return refuse("image_empty", 422, {});
  if (limitMb && file.size > limitMb * 1e6) return refuse("upload_too_large", 413, { limit_mb: limitMb });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch can't report the progress of an upload
    const scale = umPerPx ? `&um_per_px=${encodeURIComponent(umPerPx)}` : "";
    const named = model ? `&model=${encodeURIComponent(model)}` : "";
    request.open("POST", `/api/v1/readings?lang=${language()}${scale}${named}`);
    request.responseType = "text";
    request.timeout = umPerPx ? PATIENCE_SECTION_MS : PATIENCE_MS;
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => onProgress(1);
    request.onload = () => {
      let body = null;
      try {
        body = JSON.parse(request.response);
      } catch {
        // not JSON: problemFrom words it by its status
      }
      const boxDate = new Date(request.getResponseHeader("Date"));
      if (request.status === 200 && body?.schema === "loupe-reading/1") {
        resolve({ reading: body, boxDate: boxDate > 0 ? boxDate : null });
      }
      else reject(problemFrom(request.status, body));
    };
    request.onerror = () => reject(ownProblem("network"));
    request.ontimeout = () => reject(ownProblem("timeout"));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(formOf(file));
  });
}

// The pixels that the box reads, as an <img>, for a file that this browser doesn't show as they are; null where the box
// can't give them just now: the reading stands without.
export async function requestPreview(file, signal) {
  const url = `/api/v1/previews?lang=${language()}`;
  const answer = await fetch(url, { method: "POST", body: formOf(file), signal }).catch(() => null);
  if (!answer?.ok) return null;
  const picture = new Image();
  picture.src = URL.createObjectURL(await answer.blob());
  return picture.decode().then(() => picture, () => null);
}

async function get(path, parameters = {}) {
  return ask("GET", path, parameters);
}

// `message`, where there is one, is sent as JSON; `headers` come along.
async function ask(method, path, parameters, message, headers = {}) {
  const sent = message === undefined
    ? { headers } : { body: JSON.stringify(message), headers: { ...headers, "Content-Type": "application/json" } };
  let answer;
  try {
    answer = await fetch(`${path}?${new URLSearchParams({ ...parameters, lang: language() })}`, { method, ...sent });
  } catch {
    throw ownProblem("network");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body) throw problemFrom(answer.status, body);
  return body;
}

export const getModel = () => get("/api/v1/model");
export const getUnits = (model) => get("/api/v1/units", { model });
export const nameUnit = (model, unit, name) => ask("PUT", `/api/v1/units/${unit}/name`, { model }, name);
export const takeBackUnitName = (model, unit, expert, headers) =>
  ask("DELETE", `/api/v1/units/${unit}/name`, { model, expert }, undefined, headers);
export const getUnitNames = (model) => get("/api/v1/units/names", { model });
export const sendUnitNames = (model, names, headers) => ask("PUT", "/api/v1/units/names", { model }, names, headers);
export const resetWatch = (model, headers) => ask("POST", "/api/v1/health/reset", {}, { model, confirm: true }, headers);
export const getSamples = async () => (await get("/api/v1/samples")).samples;

export async function getSamplePicture(sample) {
  const answer = await fetch(sample.url).catch(() => null);
  if (!answer?.ok) throw ownProblem(answer ? "unexpected" : "network", { status: answer?.status });
  const blob = await answer.blob();
  return new File([blob], sample.title, { type: blob.type });
}
