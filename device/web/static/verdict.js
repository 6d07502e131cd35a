// The verdict of the gate and its questions.

import { byId, element, icon, setText, show } from "./dom.js";
import { milliseconds, number, word } from "./words.js";

const RARE = 0.05; // device/reading/gate.py: CAUTION_BELOW_P

export function showVerdict(reading) {
  const { accepted, caution, reason, questions } = reading.verdict;
  const state = !accepted ? "refused" : caution ? "caution" : "accepted";
  byId("result").dataset.verdict = state;
  setText("verdict-kicker", word(`verdict_${state}`));
  setText("verdict-title", reason?.title ?? word(`verdict_${state}_title`));
  setText("verdict-detail", reason?.detail ?? reading.verdict.caution_words ?? word(`verdict_${state}_detail`));
  show("verdict-next", Boolean(reason?.next_step));
  byId("verdict-next").lastElementChild.textContent = reason?.next_step ?? "";
  show("no-class", !accepted);
  setText("duration", word("duration", { duration: milliseconds(reading.timings_ms.total) }));

  const narrow = (each) => caution && each.p_value !== null && each.p_value < RARE;
  byId("questions").replaceChildren(...questions.map((each) => question(each, narrow(each))));
  byId("question-numbers").replaceChildren(...questions.map((each) => element("tr", {},
    element("th", { scope: "row" }, each.title),
    ...[each.p_value, each.score, each.threshold].map((value) => element("td", {}, figure(value))),
  )));
}

const figure = (value) => (typeof value === "number" ? number(value, 3) : "\u2013");

function question({ title, help, passed }, narrow) {
  const answer = passed === true ? (narrow ? "narrow" : "passed") : passed === false ? "failed" : "unasked";
  const mark = { passed: "check", narrow: "caution", failed: "stop", unasked: "unasked" }[answer];
  return element("li", { className: answer },
    icon(mark),
    element("div", {},
      element("p", { className: "asked-title" }, title),
      element("p", { className: "hint" }, help)),
    element("p", { className: "answer" }, word(`question_${answer}`)));
}
