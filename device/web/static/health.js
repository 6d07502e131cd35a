// Resetting a drift watch, after a question. All else on the health page needs no script.

import { Problem, resetWatch } from "./api.js";
import { byId } from "./dom.js";
import { withCode } from "./technician.js";
import { loadWords } from "./words.js";

loadWords();
for (const button of document.querySelectorAll("button.reset")) {
  const { model } = button.dataset;
  const dialog = byId(`${model}-dialog`);
  const failed = dialog.querySelector(".problem");
  button.onclick = () => {
    failed.hidden = true;
    dialog.showModal();
  };
  dialog.querySelector(".no").onclick = () => dialog.close();
  dialog.querySelector(".yes").onclick = async () => {
    failed.hidden = true;
    try {
      await withCode((headers) => resetWatch(model, headers));
      location.reload();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      failed.textContent = `${problem.title}. ${problem.detail ?? ""} ${problem.nextStep}`;
      failed.hidden = false;
    }
  };
}
