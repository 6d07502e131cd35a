// The verdict of the gate and its questions.

import { byId, element, icon, setText, show } from "./dom.js";
import { milliseconds, number, word, wordOr } from "./words.js";

const PARTLY_FOREIGN = 0.1; // device/sections.py: CAUTION_SHARE
const RARE = 0.05; // device/gate.py: CAUTION_BELOW_P

// What is unusual where it isn't the picture as a whole.
function cautionWords({ verdict, section }) {
  if (!verdict.caution) return null;
  if (section) return section.foreign > PARTLY_FOREIGN * (section.foreign + section.read) ? "verdict_caution_section" : null;
  const rare = verdict.questions.some((each) => each.p_value !== null && each.p_value < RARE);
  return verdict.where?.foreign > 0 && !rare ? "verdict_caution_part" : null;
}

export function showVerdict(reading) {
  const { accepted, caution, reason, questions } = reading.verdict;
  const state = !accepted ? "refused" : caution ? "caution" : "accepted";
  byId("result").dataset.verdict = state;
  setText("verdict-kicker", word(`verdict_${state}`));
  setText("verdict-title", reason?.title ?? word(`verdict_${state}_title`));
  setText("verdict-detail", reason?.detail ?? word(cautionWords(reading) ?? `verdict_${state}_detail`));
  show("verdict-next", Boolean(reason?.next_step));
  byId("verdict-next").lastElementChild.textContent = reason?.next_step ?? "";
  show("no-class", !accepted);
  setText("duration", word("duration", { duration: milliseconds(reading.timings_ms.total) }));

  // Caution comes from a p-value, so it is the smallest one that says which question was passed only narrowly.
  const narrow = caution && Math.min(RARE, ...questions.map((each) => each.p_value ?? 1));
  byId("questions").replaceChildren(...questions.map((each) => question(each, each.p_value === narrow)));
  byId("question-numbers").replaceChildren(...questions.map((each) => element("tr", {},
    element("th", { scope: "row" }, each.title),
    ...[each.p_value, each.score, each.threshold].map((value) => element("td", {}, figure(value))),
  )));
}

const figure = (value) => (typeof value === "number" ? number(value, 3) : "\u2013");

function question({ question: name, title, passed }, narrow) {
  const answer = passed === true ? (narrow ? "narrow" : "passed") : passed === false ? "failed" : "unasked";
  const mark = { passed: "check", narrow: "caution", failed: "stop", unasked: "unasked" }[answer];
  return element("li", { className: answer },
    icon(mark),
    element("div", {},
      element("p", { className: "asked-title" }, title),
      element("p", { className: "hint" }, wordOr(`question_${name}_help`, ""))),
    element("p", { className: "answer" }, word(`question_${answer}`)));
}
