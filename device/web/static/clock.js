// When a picture was read, and how far that can be trusted. The date is this device's: a box without internet can't set
// its own clock. Both are compared, so that a report never carries a wrong date in silence.

import { language, word } from "./words.js";

/** @import { Clock } from "../../../tools/page_types/page" */

const AGREE_MS = 300_000;

/**
 * @param {Date} date this device's clock when the answer came
 * @param {Date | null} boxDate the box's clock, from its answer
 * @returns {Clock}
 */
export function clockOf(date, boxDate) {
  const apart = boxDate ? Math.abs(date.getTime() - boxDate.getTime()) : null;
  return { date, boxDate, agrees: apart === null ? null : apart <= AGREE_MS };
}

/** @param {Date} date */
export function dateWords(date) {
  return new Intl.DateTimeFormat(language(), { dateStyle: "long", timeStyle: "short" }).format(date);
}

/** @param {Clock} clock */
export function trustWords({ boxDate, agrees }) {
  if (agrees === null || !boxDate) return word("clock_alone");
  return agrees ? word("clock_agrees") : word("clock_differs", { box: dateWords(boxDate) });
}

/**
 * For a program: both clocks in UTC, and this device's distance from UTC.
 * @param {Clock} clock
 */
export function clockJson({ date, boxDate, agrees }) {
  return {
    at: date.toISOString(), utc_offset_minutes: -date.getTimezoneOffset(), box_at: boxDate?.toISOString() ?? null,
    clocks_agree: agrees, clock_words: trustWords({ date, boxDate, agrees }),
  };
}
