// The ways in which a picture comes to the page: file picker, phone camera, drop anywhere, paste, sample strip.

import { getSamplePicture, getSamples } from "./api.js";
import { byId, element, icon, setText, show } from "./dom.js";
import { word, wordOr } from "./words.js";

// Calls `onPicture(file)` for each picture that a person gives. `signal` ends it all when the page changes its language.
export function listenForPictures(onPicture, signal) {
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.onclick = () => byId(button.dataset.opens).click();
  }
  for (const id of ["picker", "camera"]) {
    byId(id).onchange = (event) => {
      const [file] = event.target.files;
      if (file) onPicture(file);
    };
    // Without this, choosing the same file again would go unnoticed.
    byId(id).onclick = (event) => { event.target.value = ""; };
  }

  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  const dragging = (now) => document.body.classList.toggle("dragging", now);
  const on = (name, act) => document.addEventListener(name, act, { signal });
  on("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    dragging(true);
  });
  on("dragleave", (event) => { if (!event.relatedTarget) dragging(false); });
  on("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    dragging(false);
    const [file] = event.dataTransfer.files;
    if (file) onPicture(file);
  });
  on("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) onPicture(new File([file], word("pasted_name"), { type: file.type }));
  });
}

// Fills the strip and returns the samples by id. `onSample(file, id)` gets the chosen one, `onProblem(problem)` what went
// wrong with fetching it.
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
