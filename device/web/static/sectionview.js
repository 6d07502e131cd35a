// What a section adds to a reading: how many windows were read, and the share of the tissue that each class has.

import { byId, element, setText, show } from "./dom.js";
import { percent, word } from "./words.js";

const WHOLE_UP_TO = 1.5; // device/reading/sections.py: so many times the model's area is still read whole
const STEPS = 2;

// About how many windows a section will have for all models together, glass included; 0 where it is read whole.
export function countWindows({ naturalWidth, naturalHeight }, umPerPx, models) {
  return models.reduce((sum, { preprocessing }) => {
    const scale = umPerPx / preprocessing.um_per_px;
    const areas = (naturalWidth * naturalHeight * scale ** 2) / preprocessing.area_px;
    return areas > WHOLE_UP_TO ? sum + Math.round(areas * STEPS ** 2) : sum;
  }, 0);
}

export function showSection(section) {
  const shown = Boolean(section?.shares);
  show("section", shown);
  if (!shown) return;
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
