// What an accepted picture is read as: likelihoods of the classes and the units behind the most likely one.

import { byId, element, setText, show } from "./dom.js";
import { percent, signed, word } from "./words.js";

const CLOSE = 0.1; // a class that is less probable by no more than this is named beside the most likely one

export function showPrediction({ label, name, probabilities }) {
  const predicted = probabilities.find((each) => each.label === label);
  setText("prediction-name", name);
  setText("prediction-words", word("prediction_words", {
    likelihood: predicted.likelihood, probability: percent(predicted.probability),
  }));
  const [close] = probabilities
    .filter((each) => each !== predicted && predicted.probability - each.probability <= CLOSE)
    .sort((one, other) => other.probability - one.probability);
  show("prediction-close", Boolean(close));
  if (close) setText("prediction-close", word("prediction_close", { name: close.name, probability: percent(close.probability) }));
  byId("probabilities").replaceChildren(...probabilities.map((each) => {
    const row = bar(each.name, `${each.likelihood} · ${percent(each.probability)}`, 0, each.probability);
    if (each.label === label) {
      row.classList.add("predicted");
      row.querySelector(".bar-name").append(element("span", { className: "unseen" }, ` (${word("predicted_mark")})`));
    }
    return row;
  }));
}

// The longest bar is the largest contribution: lengths compare the units with each other, not with other readings.
export function showUnits(units, name) {
  const largest = Math.max(...units.map((unit) => Math.abs(unit.contribution)), Number.MIN_VALUE);
  setText("units-help", word("units_help", { name }));
  byId("unit-list").replaceChildren(...units.map((unit) => {
    const half = (0.5 * unit.contribution) / largest;
    const row = bar(unit.name ?? word("unit_unnamed"), signed(unit.contribution, 2), half < 0 ? 0.5 + half : 0.5, Math.abs(half));
    row.classList.add("sided", half < 0 ? "against" : "for");
    row.querySelector(".bar-name").append(element("span", { className: "unit-number" }, word("unit_number", unit)));
    return row;
  }));
}

function bar(name, words, from, share) {
  const filled = element("span", { className: "bar-filled" });
  filled.style.left = `${100 * from}%`;
  filled.style.width = `${100 * share}%`;
  return element("li", { className: "bar-row" },
    element("span", { className: "bar-name" }, name),
    element("span", { className: "bar-words" }, words),
    element("span", { className: "bar-track", ariaHidden: "true" }, filled));
}
