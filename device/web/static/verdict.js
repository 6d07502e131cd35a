// The verdict of the gate and its questions, and how the model stands at this clinic.

import { CAUTION_BELOW_P } from "./constants.js";
import { byId, element, icon, setText, show, within } from "./dom.js";
import { milliseconds, number, word } from "./words.js";

/** @import { Reading } from "../../../tools/page_types/page" */
/** @typedef {Reading["verdict"]["questions"][number]} Question */

const MARK_OF_ANSWER = { passed: "check", narrow: "caution", failed: "stop" };

/** @param {Reading} reading */
export function showVerdict(reading) {
  const { accepted, caution, reason, questions } = reading.verdict;
  const unscaled = accepted && reading.scale.state === "unknown";
  const state = !accepted ? "refused" : unscaled ? "unscaled" : caution ? "caution" : "accepted";
  byId("result").dataset.verdict = unscaled ? "caution" : state;
  setText("verdict-kicker", word(`verdict_${state}`));
  // A refusal has a reason, and that its own words.
  setText("verdict-title", reason?.title ?? word(`verdict_${state === "refused" ? "accepted" : state}_title`));
  setText("verdict-detail", reason?.detail ?? (unscaled ? reading.scale.words : reading.verdict.caution_words)
    ?? word("verdict_accepted_detail"));
  show("verdict-next", Boolean(reason?.next_step));
  within(byId("verdict-next"), "span").textContent = reason?.next_step ?? "";
  show("no-class", !accepted);
  showSite(reading.site);
  setText("duration", word("duration", { duration: milliseconds(reading.timings_ms.total) }));

  byId("questions").replaceChildren(...questions.map((each) => question(each, answerTo(each, caution))));
  byId("question-numbers").replaceChildren(...questions.map((each) => element("tr", {},
    element("th", { scope: "row" }, each.title),
    ...[each.p_value, each.score, each.threshold].map((value) => element("td", {}, figure(value))),
  )));
}

/**
 * How the model stands at this clinic.
 * @param {Reading["site"]} site
 */
function showSite(site) {
  byId("site-state").dataset.site = site.state;
  byId("site-state").replaceChildren(element("strong", {}, site.title), element("span", {}, ` \u2013 ${site.words}`));
}

const figure = (/** @type {number | null} */ value) => (typeof value === "number" ? number(value, 3) : "\u2013");

/**
 * How a question was answered. With caution: an answer that few proper pictures give passes narrowly.
 * @param {Pick<Question, "passed" | "p_value">} question
 * @param {boolean} caution
 */
export function answerTo({ passed, p_value: pValue }, caution) {
  if (!passed) return "failed";
  return caution && pValue !== null && pValue < CAUTION_BELOW_P ? "narrow" : "passed";
}

/**
 * @param {Question} question
 * @param {ReturnType<typeof answerTo>} answer
 */
function question({ title, help }, answer) {
  return element("li", { className: answer },
    icon(MARK_OF_ANSWER[answer]),
    element("div", {},
      element("p", { className: "asked-title" }, title),
      element("p", { className: "hint" }, help)),
    element("p", { className: "answer" }, word(`question_${answer}`)));
}
