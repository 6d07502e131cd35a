// The unit survey: each unit of a model with its patches, what it speaks for, and the names that experts give it.
// The initials stay in this tab; names go to the box at once.

import { getModel, getUnitNames, getUnits, nameUnit, Problem, sendUnitNames, takeBackUnitName } from "./api.js";
import { UNIT_NAME_LIMIT } from "./constants.js";
import { byId, element, inputById, selectById, setText, show, within } from "./dom.js";
import { download, stamp } from "./exports.js";
import { nameLines } from "./findings.js";
import { withCode } from "./technician.js";
import { loadWords, number, percent, signed, word } from "./words.js";

/** @import { ModelFacts, UnitDocument, UnitsDocument } from "../../../tools/page_types/documents" */
/** @import { ProblemWords } from "../../../tools/page_types/page" */

const EXPERT = "loupe-expert";
const OWN = "own"; // the choice that opens the field for a name of one's own

/** @type {UnitsDocument} what the box said of the units of the model that is shown */
let survey;
/** @type {Map<string, string>} of the model's classes, by label */
const names = new Map();

function expert() {
  return inputById("expert").value.trim();
}

/**
 * Says in the status line what is wrong. The whole problem, in words.
 * @param {unknown} problem
 */
function showProblem(problem) {
  if (!(problem instanceof Problem)) throw problem;
  setText("status", `${problem.title}. ${problem.nextStep}`);
  return problem.words;
}

/** @param {ProblemWords} problem */
function problemBox({ title, detail, next_step }) {
  return element("div", { className: "survey-problem", role: "alert" },
    element("h3", {}, title), element("p", {}, detail), element("p", {}, next_step));
}

// --- one unit --------------------------------------------------------------------------------------------------------

/** @param {UnitDocument} unit */
function namesList(unit) {
  const list = element("div", { className: "unit-names" });
  if (!unit.names.length) list.append(element("p", { className: "none" }, word("unit_unnamed")));
  for (const line of nameLines(unit)) list.append(element("p", {}, line));
  return list;
}

/** @param {UnitDocument} unit */
function patches(unit) {
  const box = element("div", { className: "patches" });
  unit.patches.forEach((patch, rank) => box.append(element("img", {
    src: patch.url, width: 96, height: 96, loading: "lazy",
    alt: word("survey_patch", { rank: rank + 1, unit: unit.unit, name: names.get(patch.label) ?? patch.label }),
    title: word("survey_patch_title", {
      name: names.get(patch.label) ?? patch.label, activation: number(patch.activation, 1), threshold: number(unit.figures?.threshold ?? 0, 1),
    }),
  })));
  if (!unit.patches.length) box.append(element("p", { className: "none hint" }, word("survey_no_patches")));
  return box;
}

/**
 * @param {UnitDocument} unit
 * @param {number} heaviest weight, which has the longest bar
 */
function bars(unit, heaviest) {
  const rows = survey.labels.map(({ label, name }) => {
    const weight = unit.weights[label];
    const half = 0.5 * Math.max(-1, Math.min(1, weight / heaviest));
    const filled = element("span", { className: "bar-filled" });
    filled.style.left = `${100 * (half < 0 ? 0.5 + half : 0.5)}%`;
    filled.style.width = `${100 * Math.abs(half)}%`;
    const auroc = unit.figures?.selectivity[label];
    return element("li", { className: `bar-row ${half < 0 ? "against" : "for"}` },
      element("span", { className: "bar-name" }, name),
      element("span", { className: "bar-track", ariaHidden: "true" }, filled),
      element("span", { className: "bar-words" }, signed(weight, 2)),
      element("span", { className: "bar-words selectivity" }, auroc === undefined ? "" : number(auroc, 2)));
  });
  if (unit.figures) {
    const apart = Object.values(unit.figures.selectivity).map((each) => Math.abs(each - 0.5));
    within(rows[apart.indexOf(Math.max(...apart))], ".selectivity").classList.add("marked");
  }
  const head = element("li", { className: "bar-row bar-head" },
    element("span", {}, word("survey_class")), element("span", {}, word("survey_weight")),
    element("span", { className: "bar-words selectivity" }, unit.figures ? word("survey_auroc") : ""));
  return element("ul", { className: "bars" }, head, ...rows);
}

/** @param {NonNullable<UnitDocument["figures"]>} figures */
function figureWords({ active, overlap, inside }) {
  const masks = Object.entries(survey.atlas?.concepts ?? {})
    .filter(([concept]) => concept in overlap)
    .map(([concept, name]) => word("survey_overlap", { name, overlap: number(overlap[concept], 2), auroc: number(inside[concept], 2) }));
  return [word("survey_active", { share: percent(active) }), ...masks].join(" ");
}

/** @param {UnitDocument} unit */
function termChoice(unit) {
  const choice = element("select", { ariaLabel: word("survey_choose", { unit: unit.unit }) },
    element("option", { value: "" }, word("survey_choose_none")));
  for (const { group, name } of survey.lexicon.groups) {
    const options = survey.lexicon.terms.filter((each) => each.group === group)
      .map((each) => element("option", { value: each.term }, each.name));
    choice.append(element("optgroup", { label: name }, ...options));
  }
  choice.append(element("option", { value: OWN }, word("survey_own")));
  return choice;
}

/**
 * @param {UnitDocument} unit
 * @param {(renewed: UnitDocument) => void} renew shows the unit with its new names
 */
function form(unit, renew) {
  const choice = termChoice(unit);
  const own = element("input", { maxLength: UNIT_NAME_LIMIT, hidden: true, ariaLabel: word("survey_own"), placeholder: word("survey_own_hint") });
  const hint = element("p", { className: "definition hint", ariaLive: "polite" });
  const save = element("button", { type: "submit", className: "button primary" }, word("survey_save"));
  const back = element("button", { type: "button", className: "button" }, word("survey_take_back"));

  choice.onchange = () => {
    own.hidden = choice.value !== OWN;
    if (!own.hidden) own.focus();
    hint.classList.remove("failed");
    hint.textContent = survey.lexicon.terms.find((each) => each.term === choice.value)?.definition ?? "";
  };

  /**
   * @param {() => Promise<UnitDocument>} send
   * @param {string} done what the status line says then
   */
  async function change(send, done) {
    save.disabled = back.disabled = true;
    try {
      renew(await send());
      setText("status", done);
    } catch (problem) {
      hint.classList.add("failed");
      hint.textContent = showProblem(problem);
      save.disabled = back.disabled = false;
    }
  }

  back.onclick = () => change(
    () => withCode((headers) => takeBackUnitName(survey.model.id, unit.unit, expert(), headers)), word("survey_taken_back", unit),
  );
  const buttons = element("div", { className: "row" }, save);
  if (unit.names.some((each) => each.from === "box")) buttons.append(back);
  const filled = element("form", { className: "unit-form" }, choice, own, hint, buttons);
  filled.onsubmit = (event) => {
    event.preventDefault();
    const name = choice.value === OWN || !choice.value ? { text: own.value } : { term: choice.value };
    change(() => nameUnit(survey.model.id, unit.unit, { ...name, expert: expert() }), word("survey_saved", unit));
  };
  return filled;
}

/**
 * @param {UnitDocument} unit
 * @param {number} heaviest weight, which has the longest bar
 * @returns {HTMLLIElement}
 */
function card(unit, heaviest) {
  const listed = unit.figures ? word("survey_listed", { count: unit.figures.listed }) : "";
  const item = element("li", { className: "card unit-card", id: `unit-${unit.unit}` },
    element("h2", {}, word("survey_unit", unit), element("small", {}, listed)),
    namesList(unit), patches(unit), bars(unit, heaviest));
  if (unit.figures) item.append(element("p", { className: "hint" }, figureWords(unit.figures)));
  item.append(form(unit, (renewed) => {
    Object.assign(unit, renewed);
    item.replaceWith(card(unit, heaviest));
  }));
  return item;
}

// --- all of them -----------------------------------------------------------------------------------------------------

/** @type {Map<string, (unit: UnitDocument) => boolean>} by the choice in the filter */
const FILTERS = new Map([
  ["all", () => true],
  ["named", (/** @type {UnitDocument} */ unit) => unit.names.length > 0],
  ["unnamed", (/** @type {UnitDocument} */ unit) => unit.names.length === 0],
]);

/** @param {UnitDocument[]} units */
function sorted(units) {
  const [by, label] = selectById("sort").value.split(":");
  if (by === "weight") return [...units].sort((one, other) => other.weights[label] - one.weights[label]);
  if (by === "auroc") {
    const value = (/** @type {UnitDocument} */ unit) => unit.figures?.selectivity[label] ?? -1;
    return [...units].sort((one, other) => value(other) - value(one));
  }
  return units;
}

function showUnits() {
  const filter = FILTERS.get(selectById("filter").value) ?? (() => true);
  const units = sorted(survey.units.filter(filter));
  const weights = survey.units.flatMap((unit) => Object.values(unit.weights).map(Math.abs)).sort((one, other) => one - other);
  const heaviest = weights[Math.floor(0.98 * (weights.length - 1))] || 1; // few are larger, and their bars are cut off
  byId("units").replaceChildren(...units.map((unit) => card(unit, heaviest)));
  setText("count", word("survey_count", { shown: units.length, all: survey.count }));
}

function showAbout() {
  const { atlas } = survey;
  show("about", Boolean(atlas));
  byId("problems").replaceChildren(...survey.problems.map(problemBox));
  if (!atlas && !survey.problems.length) {
    byId("problems").append(element("p", { className: "hint" }, word("survey_no_atlas")));
  }
  if (!atlas) return;
  const { figures, patches: shown } = atlas;
  setText("atlas-notice", atlas.notice);
  setText("atlas-figures", word("survey_figures", {
    ...figures, data: figures.data.name, pictures: figures.data.pictures, covered: percent(figures.covered),
  }));
  setText("atlas-patches", word("survey_patches", {
    data: shown.name, pictures: shown.pictures, share: number(100 * (1 - shown.quantile), 1),
  }));
}

/** @param {ModelFacts[]} models */
function showTools(models) {
  const option = (/** @type {string} */ value, /** @type {string} */ text) => element("option", { value }, text);
  const choice = selectById("model");
  choice.replaceChildren(...models.map((model) => option(model.id, model.title)));
  choice.value = survey.model.id;
  show("model-tool", models.length > 1);
  byId("sort").replaceChildren(
    option("listed", word("survey_sort_listed")),
    ...survey.labels.map(({ label, name }) => option(`weight:${label}`, word("survey_sort_weight", { name }))),
    ...(survey.atlas ? survey.labels.map(({ label, name }) => option(`auroc:${label}`, word("survey_sort_auroc", { name }))) : []),
  );
}

/** @param {string | null} model its id; the first one where null */
async function load(model) {
  document.body.dataset.state = "busy";
  try {
    const { models } = await getModel();
    survey = await getUnits(model ?? models[0].id);
    names.clear();
    for (const { label, name } of survey.labels) names.set(label, name);
    setText("identity", `${survey.model.title} · ${word("model_version", survey.model)}`);
    setText("lexicon-source", word("survey_lexicon", survey.lexicon));
    showAbout();
    showTools(models);
    showUnits();
    const aim = document.getElementById(location.hash.slice(1));
    if (aim) aim.scrollIntoView();
    document.body.dataset.state = "done";
  } catch (problem) {
    document.body.dataset.state = "failed";
    byId("problems").replaceChildren(element("p", { className: "survey-problem", role: "alert" }, showProblem(problem)));
  }
}

async function exportNames() {
  const text = JSON.stringify(await getUnitNames(survey.model.id), null, 2);
  download(new Blob([text], { type: "application/json" }), `names-${survey.model.id}-${stamp(new Date())}.json`);
}

/** @param {File} file */
async function importNames(file) {
  let sent = null;
  try {
    sent = JSON.parse(await file.text());
  } catch {
    // not JSON: the box says what it expects
  }
  const { imported } = await withCode((headers) => sendUnitNames(survey.model.id, sent, headers));
  await load(survey.model.id);
  setText("count", word("survey_imported", { count: imported }));
}

/**
 * The action, which tells what goes wrong with it.
 * @param {() => Promise<void>} action
 */
function tell(action) {
  return async () => {
    try {
      await action();
    } catch (problem) {
      byId("problems").replaceChildren(element("p", { className: "survey-problem", role: "alert" }, showProblem(problem)));
      scrollTo({ top: 0 });
    }
  };
}

loadWords();
inputById("expert").value = sessionStorage.getItem(EXPERT) ?? "";
byId("expert").oninput = () => sessionStorage.setItem(EXPERT, expert());
byId("tools").onsubmit = (event) => event.preventDefault();
for (const id of ["sort", "filter"]) byId(id).onchange = showUnits;
byId("model").onchange = () => load(selectById("model").value);
byId("export").onclick = tell(exportNames);
const namesFile = inputById("names-file");
byId("import").onclick = () => namesFile.click();
namesFile.onchange = tell(async () => {
  const [file] = namesFile.files ?? [];
  namesFile.value = "";
  if (file) await importNames(file);
});
load(new URLSearchParams(location.search).get("model"));
