// Where a picture looks foreign to the model, in words, and drawn over a picture that was refused.

import { NEARLY_ALL } from "./constants.js";
import { byId, canvasById, setText, show } from "./dom.js";
import { drawWhere, placeOverRead } from "./overlay.js";
import { percent, word } from "./words.js";

/** @import { Reading, Where } from "../../../tools/page_types/page" */

/**
 * Whether a part of the picture looks foreign, not all: a map in which all is hatched tells nothing.
 * @param {Where | null} where
 * @returns {where is Where}
 */
export function isPartial(where) {
  return where !== null && where.foreign > 0 && where.foreign < NEARLY_ALL;
}

/** @param {Pick<Reading, "verdict" | "section">} reading */
export function whereWords({ verdict, section }) {
  const kind = verdict.accepted ? "share" : "refused";
  if (!section) return word(`where_${kind}`, { share: percent(verdict.where?.foreign ?? 0) });
  const { foreign, read } = section;
  return word(`where_${kind}_section`, { share: percent(foreign / (foreign + read)) });
}

/**
 * The refused picture, hatched where it looks foreign if that is only a part of it.
 * @param {Reading} reading
 * @param {HTMLImageElement | null} picture loaded
 */
export function showRefused(reading, picture) {
  show("refused-picture", Boolean(picture));
  if (!picture) return;
  const { where } = reading.verdict;
  byId("refused-image", HTMLImageElement).src = picture.src;
  byId("refused-stack").parentElement?.style.setProperty("--shape", String(picture.naturalWidth / picture.naturalHeight));
  placeOverRead(byId("refused-stack"), reading);
  show("refused-foreign", isPartial(where));
  show("refused-where", Boolean(where?.foreign));
  if (isPartial(where)) drawWhere(canvasById("refused-foreign"), where);
  if (where?.foreign) setText("refused-where", isPartial(where) ? whereWords(reading) : word("where_all"));
}
