// The report of a commissioning: what is refused before and after, foreign material, what was measured, and what to do next.

import { element, icon } from "./dom.js";
import { number, percent, word } from "./words.js";

/** @import { CommissioningReport } from "../../../tools/page_types/documents" */
/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {number} count
 * @property {number} of
 * @property {number[]} [interval] low and high, shares
 * @property {boolean} [before] it stands beside another that says how it is now
 */

/** @param {number} share */
const atPercent = (share) => `${100 * share}%`;

/** @param {Bar} bar */
function barRow({ name, count, of, interval, before = false }) {
  const filled = element("span", { className: "bar-filled", hidden: count === 0 });
  filled.style.width = atPercent(of ? count / of : 0);
  const track = element("span", { className: "bar-track", ariaHidden: "true" }, filled);
  if (interval) {
    const [low, high] = interval;
    const line = element("span", { className: "interval" });
    line.style.left = atPercent(low);
    line.style.width = atPercent(high - low);
    track.append(line);
  }
  return element("li", { className: `bar-row${before ? " before" : ""}` },
    element("span", { className: "bar-name" }, name), track,
    element("span", { className: "bar-words" }, word("site_count", { count: number(count), of: number(of) })));
}

/**
 * A heading, bars, and words below.
 * @param {string} heading
 * @param {Bar[]} bars
 * @param {string[]} sentences
 */
function part(heading, bars, sentences = []) {
  const built = element("div", {}, element("h3", {}, heading));
  if (bars.length) built.append(element("ul", { className: "bars site-figure" }, ...bars.map(barRow)));
  for (const sentence of sentences) built.append(element("p", {}, sentence));
  return built;
}

/** @param {CommissioningReport} report */
function refusedPart({ pictures, refused_before: before, refused_after: after, unjudgeable, promise }) {
  const left = unjudgeable ? [word("site_report_unjudgeable", { count: unjudgeable })] : [];
  return part(word("site_report_refused"), [
    { name: word("site_report_before"), count: before, of: pictures, before: true },
    { name: word("site_report_after"), count: after, of: pictures },
  ], [promise.words, ...left]);
}

/** @param {CommissioningReport} report */
function foreignPart({ foreign }) {
  const bars = foreign.flatMap(({ name, n, refused_before: before, refused_after: after }) => [
    { name: word("site_report_kind_before", { name }), count: before, of: n, before: true },
    { name: word("site_report_kind_after", { name }), count: after, of: n },
  ]);
  return part(word("site_report_foreign"), bars, foreign.length ? [] : [word("site_report_foreign_none")]);
}

/** @param {CommissioningReport} report */
function measuredPart({ measured, withheld, floor }) {
  if (!measured) return part(word("site_report_measured"), [], [word("site_report_unmeasured")]);
  const { right, of, low, high, inside, inside_low: insideLow, inside_high: insideHigh, patients } = measured;
  const sentences = [word("site_report_interval", { patients, low: percent(low), high: percent(high) })];
  if (measured.auroc !== null) {
    const { auroc_low: aurocLow, auroc_high: aurocHigh } = measured;
    const auroc = number(measured.auroc, 2);
    sentences.push(aurocLow === null || aurocHigh === null
      ? word("site_report_auroc_alone", { auroc })
      : word("site_report_auroc", { auroc, low: number(aurocLow, 2), high: number(aurocHigh, 2) }));
  }
  if (withheld) sentences.push(word("site_report_withheld", { floor: percent(floor) }));
  return part(word("site_report_measured"), [
    { name: word("site_report_right"), count: right, of, interval: [low, high] },
    { name: word("site_report_inside"), count: inside, of, interval: [insideLow, insideHigh] },
  ], sentences);
}

/**
 * The report's parts, in the order in which they are read.
 * @param {CommissioningReport} report
 */
export function reportParts(report) {
  const advice = element("div", { className: "site-advice" }, element("h3", {}, word("next_step")),
    element("ul", {}, ...report.advice.map((each) => element("li", {}, icon("notice"), element("span", {}, each)))));
  return [refusedPart(report), foreignPart(report), measuredPart(report), advice];
}
