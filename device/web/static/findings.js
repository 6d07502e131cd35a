// What an accepted picture is read as: the answer, the likelihoods of all classes, and the units behind the most likely one.

import { byId, element, setText, show, within } from "./dom.js";
import { classOf } from "./reading.js";
import { language, listed, number, percent, signed, word } from "./words.js";

/** @import { AcceptedReading, MapView, Unit } from "../../../tools/page_types/page" */
/** @import { UnitName } from "../../../tools/page_types/documents" */

// The headline is the answer: the classes that can't be ruled out. Its classes are marked among the bars. A section's
// likelihoods are those of the mean over all its tissue, in which a small tumour is lost: shares stand in their place.
/** @param {AcceptedReading} reading */
export function showAnswer({ answer, parts, prediction, model, section }) {
  setText("answer-headline", answer.headline);
  setText("answer-advice", answer.advice);
  const { concern_sum: sum, record } = answer;
  show("answer-sum", Boolean(sum));
  if (sum) setText("answer-sum", word("answer_sum", { ...sum, probability: percent(sum.probability) }));
  setText("answer-record", record?.words ?? "");
  setText("answer-promise", answer.promise?.words ?? "");
  byId("answer-card", HTMLAnchorElement).search = String(new URLSearchParams({ lang: language(), model: model.id }));
  show("answer-part", Boolean(parts?.caution));
  if (parts?.caution) {
    setText("answer-part-words", parts.words ?? "");
    byId("answer-part-show").onclick = () => {
      chooseClass(parts.label);
      byId("map").scrollIntoView({ block: "start" });
    };
  }
  show("likelihoods", !section);
  byId("probabilities").replaceChildren(...prediction.probabilities.map((each) => {
    const row = bar(each.name, `${each.likelihood} · ${percent(each.probability)}`, 0, each.probability);
    if (answer.labels.includes(each.label)) {
      row.classList.add("in-answer");
      within(row, ".bar-name").append(element("span", { className: "unseen" }, ` (${word("answer_mark")})`));
    }
    return row;
  }));
}

// Shows the map of a class, as a click on it does.
const chooseClass = (/** @type {string | null} */ label) => within(byId("segments"), `input[value="${label}"]`).click();

/**
 * A name that the bundle or experts on this box gave a unit, and who did.
 * @param {UnitName} given
 */
function nameWords({ name, experts, from }) {
  if (from === "model") return word("unit_by_model", { name });
  return word("unit_by_experts", { name, count: experts });
}

/** @typedef {{ names?: UnitName[], names_more?: number, name?: string | null }} Named of a reading or of the survey */

/**
 * @param {Named} unit
 * @returns {UnitName[]}
 */
const namesOf = (unit) => unit.names ?? (unit.name ? [{ name: unit.name, term: null, experts: null, from: "model" }] : []);

/**
 * The names of a unit in words, and how many more there are.
 * @param {Named} unit
 */
export function nameLines(unit) {
  const more = unit.names_more ? [word("unit_names_more", { count: unit.names_more })] : [];
  return [...namesOf(unit).map(nameWords), ...more];
}

/** @param {Named} unit */
function calledWords(unit) {
  const [first] = namesOf(unit);
  if (!first) return word("unit_called_none");
  const facts = { name: first.name, count: first.experts ?? 0 };
  if (first.from === "model") return word("unit_called_model", facts);
  return word("unit_called_experts", facts);
}

/**
 * One sentence on the unit that raises the score most. "Mostly" is said only of one that brings half of it.
 * @param {Unit[]} units
 * @param {AcceptedReading["prediction"]["probabilities"][number]} predicted
 */
function leadWords(units, { name, logit }) {
  const [strongest] = [...units].sort((one, other) => other.contribution - one.contribution);
  if (strongest.contribution <= 0) return "";
  const facts = {
    name, unit: strongest.unit, part: signed(strongest.contribution, 2), logit: signed(logit, 2), called: calledWords(strongest),
  };
  return strongest.contribution >= logit / 2 && logit > 0 ? word("units_mostly", facts) : word("units_largest", facts);
}

/**
 * The units behind the class that is read. The longest bar is the largest contribution: lengths compare the units with
 * each other, not with other readings. A click on a unit shows its own map through `view`, another takes it away; all
 * units' maps have one scale, finer than that of the classes by `units_rest`.
 * @param {AcceptedReading} reading
 * @param {MapView} view
 */
export function showUnits(reading, view) {
  const { units, units_rest: rest } = reading;
  const predicted = classOf(reading, reading.prediction.label);
  const { name } = predicted;
  const largest = Math.max(...units.map((unit) => Math.abs(unit.contribution)), Number.MIN_VALUE);
  const finer = number(reading.class_map.limit / rest.limit);
  /** @type {HTMLButtonElement[]} */
  const buttons = [];
  setText("units-lead", leadWords(units, predicted));
  setText("units-help", `${word("units_help", { name })} ${word("units_click")}`);
  setText("units-rest", word("units_rest", {
    shown: units.length, sum: signed(units.reduce((sum, unit) => sum + unit.contribution, 0), 2),
    count: rest.count, rest: signed(rest.contribution, 2), bias: signed(rest.bias, 2), logit: signed(predicted.logit, 2),
  }));
  byId("units-survey", HTMLAnchorElement).search = String(new URLSearchParams({ lang: language(), model: reading.model.id }));

  const press = (/** @type {HTMLButtonElement | null} */ pressed) => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === pressed)));
  byId("segments").onchange = () => press(null);

  /** @type {(unit: Unit, button: HTMLButtonElement) => void} */
  function showMapOf(unit, button) {
    if (button.getAttribute("aria-pressed") === "true") {
      chooseClass(predicted.label);
      return;
    }
    view.showMap({
      name: word("unit_map_name", { name, unit: unit.unit }), values: unit.values, mean: unit.contribution,
      limit: rest.limit, blank_below: rest.blank_below,
    });
    setText("map-mean", word("unit_map_mean", { part: signed(unit.contribution, 2), times: finer }));
    press(button);
  }

  byId("unit-list").replaceChildren(...units.map((unit) => {
    const half = (0.5 * unit.contribution) / largest;
    const row = bar("", signed(unit.contribution, 2), half < 0 ? 0.5 + half : 0.5, Math.abs(half));
    row.classList.add("sided", half < 0 ? "against" : "for");
    const button = element("button", { type: "button", className: "unit-button" });
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => showMapOf(unit, button);
    const names = listed(nameLines(unit)) || word("unit_unnamed");
    button.append(element("span", { className: "unit-number" }, word("unit_number", unit)), element("span", { className: "unit-name" }, names));
    buttons.push(button);
    within(row, ".bar-name").append(button);
    if (unit.patches?.length) {
      row.append(element("span", { className: "unit-patches" }, ...unit.patches.map((src, rank) => element("img", {
        src, width: 48, height: 48, alt: word("unit_patch", { unit: unit.unit, rank: rank + 1 }),
      }))));
    }
    return row;
  }));
}

/**
 * @param {string} name
 * @param {string} words
 * @param {number} from share of the track's width at which the bar begins
 * @param {number} share of the track's width that it has
 */
function bar(name, words, from, share) {
  const filled = element("span", { className: "bar-filled" });
  filled.style.left = `${100 * from}%`;
  filled.style.width = `${100 * share}%`;
  return element("li", { className: "bar-row" },
    element("span", { className: "bar-name" }, name),
    element("span", { className: "bar-words" }, words),
    element("span", { className: "bar-track", ariaHidden: "true" }, filled));
}
