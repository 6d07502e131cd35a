// Several models on one box: which one shall read, and what each of them said.

import { byId, element, setText, show } from "./dom.js";
import { listed, word } from "./words.js";

/** @import { ModelFacts } from "../../../tools/page_types/documents" */
/** @import { Reading } from "../../../tools/page_types/page" */

/**
 * Offers the box's models, if there is a choice.
 * @param {ModelFacts[]} models
 * @param {string} chosen the id of one, or empty
 */
export function offerModels(models, chosen) {
  const choice = byId("model", HTMLSelectElement);
  choice.append(...models.map(({ id, title }) => element("option", { value: id }, title)));
  choice.value = models.some(({ id }) => id === chosen) ? chosen : "";
  show("model-choice", models.length > 1);
}

/** @param {Reading} reading */
export function showRouting({ routing, verdict }) {
  const others = routing.filter((each) => !each.chosen);
  const title = routing.find((each) => each.chosen)?.title;
  const accepting = others.filter((each) => each.accepted).map((each) => each.title);
  show("verdict-models", others.length > 0 && verdict.reason?.model !== null);
  if (!verdict.accepted) setText("verdict-models", word("routing_none", { title }));
  else if (accepting.length) setText("verdict-models", word("routing_several", { title, others: listed(accepting) }));
  else setText("verdict-models", word("routing_one", { title }));
}
