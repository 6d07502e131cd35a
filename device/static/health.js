// Resetting a drift watch, after a question. All else on the health page needs no script.

import { byId } from "./dom.js";

async function reset(model) {
  const answer = await fetch("/api/v1/health/reset", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, confirm: true }),
  }).catch(() => null);
  return Boolean(answer?.ok);
}

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
    if (await reset(model)) location.reload();
    else failed.hidden = false;
  };
}
