// What a section adds to a reading: how many windows were read, and the share of the tissue that each class has.

import { WHOLE_UP_TO, WINDOW_STEPS } from "./constants.js";
import { byId, element, setText, show } from "./dom.js";
import { percent, word } from "./words.js";

/** @import { ModelFacts } from "../../../tools/page_types/documents" */
/** @import { Reading } from "../../../tools/page_types/page" */

/**
 * About how many windows a section will have for all models together, glass included; 0 where it is read whole.
 * @param {{ naturalWidth: number, naturalHeight: number }} picture
 * @param {number} umPerPx
 * @param {ModelFacts[]} models
 */
export function countWindows({ naturalWidth, naturalHeight }, umPerPx, models) {
  return models.reduce((sum, { preprocessing }) => {
    const scale = umPerPx / preprocessing.um_per_px;
    const areas = (naturalWidth * naturalHeight * scale ** 2) / preprocessing.area_px;
    return areas > WHOLE_UP_TO ? sum + Math.round(areas * WINDOW_STEPS ** 2) : sum;
  }, 0);
}

/** @param {Reading["section"]} section */
export function showSection(section) {
  show("section", Boolean(section?.shares));
  if (!section?.shares) return;
  setText("section-words", word("section_words", section));
  byId("shares").replaceChildren(...section.shares.map(({ name, share }) => {
    const filled = element("span", { className: "bar-filled" });
    filled.style.width = `${100 * share}%`;
    return element("li", { className: "bar-row" },
      element("span", { className: "bar-name" }, name),
      element("span", { className: "bar-words" }, percent(share)),
      element("span", { className: "bar-track", ariaHidden: "true" }, filled));
  }));
}
