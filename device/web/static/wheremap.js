// Where a picture looks foreign to the model, in words, and drawn over a picture that was refused.

import { byId, setText, show } from "./dom.js";
import { drawWhere } from "./overlay.js";
import { percent, word } from "./words.js";

const NEARLY_ALL = 0.95; // a map in which all is hatched tells nothing

export function isPartial(where) {
  return Boolean(where) && where.foreign > 0 && where.foreign < NEARLY_ALL;
}

export function whereWords({ verdict, section }) {
  const kind = verdict.accepted ? "share" : "refused";
  if (!section) return word(`where_${kind}`, { share: percent(verdict.where.foreign) });
  const { foreign, read } = section;
  return word(`where_${kind}_section`, { share: percent(foreign / (foreign + read)) });
}

// The refused picture (a loaded <img>), hatched where it looks foreign if that is only a part of it.
export function showRefused(reading, picture) {
  show("refused-picture", Boolean(picture));
  if (!picture) return;
  const { where } = reading.verdict;
  const drawn = isPartial(where);
  byId("refused-image").src = picture.src;
  byId("refused-stack").parentElement.style.setProperty("--shape", picture.naturalWidth / picture.naturalHeight);
  show("refused-foreign", drawn);
  show("refused-where", Boolean(where?.foreign));
  if (drawn) drawWhere(byId("refused-foreign"), where);
  if (where?.foreign) setText("refused-where", isPartial(where) ? whereWords(reading) : word("where_all"));
}
