// The words and number formats of the page's language. The service puts the words into the page as one JSON block.

import { LEAST_SHARE, MOST_SHARE, PLACE_PATTERN } from "./constants.js";

/** @import { PageWord, ProblemWords } from "../../../tools/page_types/page" */

/** @type {{ page: Record<string, string>, errors: Record<string, ProblemWords> }} */
let words = { page: {}, errors: {} };
let locale = "en";

export function loadWords() {
  words = JSON.parse(document.getElementById("words")?.textContent ?? "");
  locale = document.documentElement.lang;
}

export function language() {
  return locale;
}

// A text names its facts in braces, and may bring the words that agree with a count: {read:# window was|# windows were}
// (device/base/texts/__init__.py, where the box fills texts by the same rule). A count is given as a number.
const PLACE = new RegExp(PLACE_PATTERN, "g");

/**
 * @param {string} text
 * @param {object} facts by name
 */
export function fill(text, facts) {
  const factByName = new Map(Object.entries(facts));
  return text.replace(PLACE, (place, name, one, other) => {
    const fact = factByName.get(name) ?? place;
    if (one === undefined || fact === place) return String(fact);
    return (other === undefined || isOne(fact) ? one : other).replace("#", number(fact));
  });
}

/** @param {number} count */
function isOne(count) {
  return new Intl.PluralRules(locale).select(count) === "one";
}

/**
 * @param {PageWord} key
 * @param {object} facts by name
 */
export function word(key, facts = {}) {
  return fill(words.page[key] ?? key, facts);
}

/**
 * Words for a code that the service may know and this page may not: then the code itself is shown.
 * @param {string} key
 * @param {string} otherwise
 */
export function wordOr(key, otherwise) {
  return words.page[key] ?? otherwise;
}

/**
 * Names or sentences, one after the other.
 * @param {string[]} items
 */
export function listed(items) {
  return items.join(word("list_between"));
}

/**
 * A name with what it stands for.
 * @param {string} name
 * @param {string} value
 */
export function named(name, value) {
  return word("name_and_value", { name, value });
}

/**
 * @param {string} code
 * @param {object} facts by name
 * @returns {ProblemWords}
 */
export function errorWords(code, facts) {
  const { title, detail, next_step } = words.errors[code];
  return { title: fill(title, facts), detail: fill(detail, facts), next_step: fill(next_step, facts) };
}

/** @param {number} value */
export function number(value, digits = 0, least = digits) {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: digits }).format(value);
}

/**
 * @param {number} value
 * @param {Intl.NumberFormatOptions} digits
 */
function withSign(value, digits) {
  return new Intl.NumberFormat(locale, { signDisplay: "exceptZero", ...digits }).format(value).replace("-", "\u2212");
}

/** @param {number} value */
export function signed(value, digits = 1) {
  return withSign(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * A mark of the scale: as many digits as it needs, two at most.
 * @param {number} value
 */
export function mark(value) {
  return withSign(value, { maximumFractionDigits: 2 });
}

/**
 * Never "0 %" or "100 %": the model is never that sure.
 * @param {number} share
 */
export function percent(share) {
  if (share < LEAST_SHARE) return word("below_one_percent");
  if (share > MOST_SHARE) return word("above_99_percent");
  return new Intl.NumberFormat(locale, { style: "percent" }).format(share);
}

/**
 * How large a file is: in MB from a tenth on.
 * @param {number} bytes
 */
export function fileSize(bytes) {
  if (bytes >= 100_000) return word("file_size", { size: number(bytes / 1e6, 1) });
  return bytes >= 1000 ? word("file_size_kb", { size: number(bytes / 1000) }) : word("file_size_b", { size: number(bytes) });
}

/** @param {number} duration in milliseconds */
export function milliseconds(duration) {
  if (duration >= 10_000) return word("seconds", { value: number(duration / 1000) });
  return word("milliseconds", { value: number(duration, duration < 10 ? 1 : 0) });
}
