// The technician's code, where the box asks for it. It stays in this tab's memory alone, until the tab is closed or loaded anew.

import { Problem } from "./api.js";
import { CODE_ERRORS, CODE_HEADER } from "./constants.js";
import { byId, inputById } from "./dom.js";

/** @import { Headers } from "../../../tools/page_types/page" */

let code = "";

/**
 * Sends with the code, where there is one; asks for it as long as the box wants another and nobody cancels. `send` throws a
 * Problem where the box refuses; that of the last try is thrown on.
 * @template T
 * @param {(headers: Headers) => Promise<T>} send
 */
export async function withCode(send) {
  for (;;) {
    try {
      // No code has other characters, and a header can't have them.
      return await send(code ? { [CODE_HEADER]: code.replace(/[^!-~]/g, "?") } : {});
    } catch (problem) {
      if (!(problem instanceof Problem && CODE_ERRORS.includes(problem.code))) throw problem;
      const typed = await askForCode(code ? problem : null);
      code = typed ?? "";
      if (typed === null) throw problem;
    }
  }
}

/**
 * What was typed, null where nothing was.
 * @param {Problem | null} problem what is wrong with the code that was tried
 * @returns {Promise<string | null>}
 */
function askForCode(problem) {
  const dialog = byId("code-dialog", HTMLDialogElement);
  const field = inputById("code-field");
  byId("code-problem").hidden = !problem;
  byId("code-problem").textContent = problem ? `${problem.title}. ${problem.nextStep}` : "";
  field.value = "";
  field.setAttribute("aria-invalid", String(Boolean(problem)));
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const typed = field.value;
      field.value = "";
      resolve(dialog.returnValue === "typed" ? typed : null);
    };
    byId("code-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close("typed");
    };
    byId("code-cancel").onclick = () => dialog.close("");
    dialog.showModal();
    field.focus();
  });
}
