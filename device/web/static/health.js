// Resetting a drift watch, after a question. All else on the health page needs no script.

import { Problem, resetWatch } from "./api.js";
import { byId, within } from "./dom.js";
import { withCode } from "./technician.js";
import { loadWords } from "./words.js";

/** @param {HTMLButtonElement} button */
function offerReset(button) {
  const model = button.dataset.model ?? "";
  const dialog = byId(`${model}-dialog`, HTMLDialogElement);
  const failed = within(dialog, ".problem");
  button.onclick = () => {
    failed.hidden = true;
    dialog.showModal();
  };
  within(dialog, ".no").onclick = () => dialog.close();
  within(dialog, ".yes").onclick = async () => {
    failed.hidden = true;
    try {
      await withCode((headers) => resetWatch(model, headers));
      location.reload();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      failed.textContent = problem.words;
      failed.hidden = false;
    }
  };
}

loadWords();
/** @type {NodeListOf<HTMLButtonElement>} */
const resetButtons = document.querySelectorAll("button.reset");
resetButtons.forEach(offerReset);
