// The technician's code, where the box asks for it. It stays in this tab's memory alone, until the tab is closed or loaded anew.

import { byId } from "./dom.js";

const ASKS = ["technician_code_needed", "technician_code_wrong"];
let code = "";

// Sends with the code, where there is one; asks for it as long as the box wants another and nobody cancels. `send(headers)`
// throws a Problem where the box refuses; that of the last try is thrown on.
export async function withCode(send) {
  for (;;) {
    try {
      // No code has other characters, and a header can't have them.
      return await send(code ? { "X-Loupe-Code": code.replace(/[^!-~]/g, "?") } : {});
    } catch (problem) {
      if (!ASKS.includes(problem.code)) throw problem;
      const typed = await askForCode(code ? problem : null);
      code = typed ?? "";
      if (typed === null) throw problem;
    }
  }
}

// What was typed, null where nothing was. `problem` says what is wrong with the code that was tried.
function askForCode(problem) {
  const dialog = byId("code-dialog");
  const field = byId("code-field");
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
