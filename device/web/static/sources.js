// The ways in which a picture comes to the page: file picker, phone camera, drop anywhere, paste, sample strip.

import { getSamplePicture, getSamples } from "./api.js";
import { byId, element, icon, inputById, setText, show } from "./dom.js";
import { word, wordOr } from "./words.js";

/** @import { Sample } from "../../../tools/page_types/page" */

/**
 * Calls `onPicture` for each picture that a person gives.
 * @param {(file: File) => void} onPicture
 * @param {AbortSignal} signal ends it all when the page changes its language
 */
export function listenForPictures(onPicture, signal) {
  /** @type {NodeListOf<HTMLElement>} */
  const openers = document.querySelectorAll("[data-opens]");
  for (const button of openers) {
    button.onclick = () => byId(button.dataset.opens ?? "").click();
  }
  for (const id of ["picker", "camera"]) {
    const input = inputById(id);
    input.onchange = () => {
      const [file] = input.files ?? [];
      if (file) onPicture(file);
    };
    // Without this, choosing the same file again would go unnoticed.
    input.onclick = () => { input.value = ""; };
  }

  const holdsFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  const dragging = (/** @type {boolean} */ now) => document.body.classList.toggle("dragging", now);
  document.addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    dragging(true);
  }, { signal });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) dragging(false); }, { signal });
  document.addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    dragging(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (file) onPicture(file);
  }, { signal });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) onPicture(new File([file], word("pasted_name"), { type: file.type }));
  }, { signal });
}

/**
 * Fills the strip and returns the samples by id.
 * @param {(file: File, id: string) => void} onSample gets the chosen one
 * @param {(problem: unknown) => void} onProblem gets what went wrong with fetching it
 * @returns {Promise<Map<string, Sample>>}
 */
export async function showSamples(onSample, onProblem) {
  let samples;
  try {
    samples = await getSamples();
  } catch {
    setText("samples-lead", word("samples_failed"));
    show("samples");
    return new Map();
  }
  byId("strip").replaceChildren(...samples.map((sample) => {
    const button = element("button", { type: "button", className: "sample", title: sample.description },
      element("img", { src: sample.url, alt: "", loading: "lazy", width: 160, height: 120 }),
      element("span", { className: "sample-badge" }, icon("synthetic"), word("sample_badge")),
      element("span", { className: "sample-title" }, sample.title),
      element("span", { className: "sample-kind" }, wordOr(`sample_kind_${sample.kind}`, sample.kind)));
    button.dataset.sample = sample.id;
    button.onclick = async () => {
      try {
        onSample(await getSamplePicture(sample), sample.id);
      } catch (problem) {
        onProblem(problem);
      }
    };
    return element("li", {}, button);
  }));
  show("samples", samples.length > 0);
  return new Map(samples.map((sample) => [sample.id, sample]));
}
