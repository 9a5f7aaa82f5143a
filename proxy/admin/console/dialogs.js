// What is asked in between: the token, whether an action is meant, and which keys there are.
import { hasToken, tryToken } from "./api.js";
import { byId, put } from "./dom.js";

/** Show a dialog; resolve to whether it was confirmed. Escape, Cancel and a click beside it say no. */
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Ask for the token, if there is none yet. Resolve to whether there is one. `reason` is said above the field. */
export async function askToken(reason = "") {
  if (hasToken()) return true;
  const field = byId("token-field");
  field.value = "";
  put(byId("token-reason"), reason);
  put(byId("token-problem"), "");
  const isEntered = await ask(byId("token-dialog"));
  field.value = "";
  return isEntered && hasToken();
}

/** Keep the token that was entered. One that is refused is told of in the dialog, which stays. */
async function takeToken() {
  const field = byId("token-field");
  try {
    await tryToken(field.value.trim());
    return true;
  } catch (error) {
    put(byId("token-problem"), error.words ?? String(error));
    field.select();
    return false;
  }
}

/** Say what an action does, and resolve to whether it is meant. `points` are its consequences, a sentence each. */
export function confirm({ title, subject, points, verb }) {
  put(byId("confirm-title"), title);
  put(byId("confirm-subject"), subject);
  byId("confirm-points").replaceChildren(
    ...points.map((point) => Object.assign(document.createElement("li"), { textContent: point })),
  );
  put(byId("confirm-yes"), verb);
  return ask(byId("confirm-dialog"));
}

/** Show the keys. */
export const showKeys = () => byId("keys-dialog").open || ask(byId("keys-dialog"));

/** Have all dialogs close where their buttons say so. */
export function prepareDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      if (dialog.id !== "token-dialog" || (await takeToken())) dialog.close("yes");
    });
    dialog.addEventListener("click", ({ target }) => (target === dialog || target.closest("[data-close]")) && dialog.close(""));
  }
}
