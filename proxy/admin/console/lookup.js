// One resource, looked up by its URL: what is recorded of it, what happened to it, and what an operator can do about it.
import { get, hasToken, keepToken, now, post } from "./api.js";
import { historyTable } from "./conflicts.js";
import { askToken, confirm } from "./dialogs.js";
import { byId, describe, make, put } from "./dom.js";
import { digest, moment, NOTHING, remaining, timeOfDay } from "./format.js";
import { stateLabel } from "./kinds.js";
import { person } from "./people.js";

const ACTIONS = {
  forget: {
    title: "Forget this record?",
    verb: "Forget it",
    done: "The record is forgotten: no version is remembered.",
    points: [
      "The version that noclobber remembers of this resource is dropped. The next write is judged by what the backend shows alone.",
      "On a route that counts versions, who has read it is refused once, and has to read it again.",
      "It is meant for a resource that was changed around noclobber, on a route that trusts its store.",
      "While a write is under way, or may still be applied, it is refused.",
    ],
  },
  "mark-unknown": {
    title: "Mark its outcome unknown?",
    verb: "Mark unknown",
    done: "The record is marked unknown.",
    points: [
      "The next write first waits until nothing that was sent before can be applied any more (the apply delay), then looks at what stands.",
      "Meanwhile writes get 503 with Retry-After. Reads go on.",
      "It is meant for a resource that somebody may just be changing in the backend itself.",
      "While a write is under way, it is refused.",
    ],
  },
};
let shown = null;
let history = null;

/** Put the view there. */
export function makeLookup() {
  history = historyTable(byId("resource-history"), "The conflict log holds nothing about this resource.");
  byId("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    const target = byId("lookup-url").value.trim();
    const method = byId("lookup-method").value;
    const address = `#resource?${new URLSearchParams({ url: target, method })}`;
    // The same again is no change of the address, and is meant all the same.
    if (target === "" || location.hash === address) look(target, method);
    else location.hash = address;
  });
  for (const button of document.querySelectorAll("[data-action]")) button.addEventListener("click", () => act(button.dataset.action));
  document.addEventListener("token", () => {
    showToken();
    if (shown) look(shown.url, shown.method);
  });
  byId("drop-token").addEventListener("click", () => keepToken(""));
  byId("use-token").addEventListener("click", () => askToken("With the token, tags, versions and paths are shown, and records can be changed."));
  showToken();
  setInterval(() => shown && showFacts(), 1000);
}

function showToken() {
  byId("drop-token").hidden = !hasToken();
  byId("use-token").hidden = hasToken();
  put(byId("token-state"), hasToken() ? "The token is kept in memory until you leave this page." : "Both ask for the admin token.");
}

/** Look up what an address of this view names. */
export function openAddress(parameters) {
  const target = parameters.get("url");
  const method = parameters.get("method") ?? "GET";
  if (!target || (shown?.url === target && shown.method === method)) return;
  byId("lookup-url").value = target;
  byId("lookup-method").value = method;
  look(target, method);
}

/** An address of this view. */
export const lookupLink = (path) => make("a", { href: `#resource?${new URLSearchParams({ url: path })}` }, path);

async function look(target, method) {
  if (!target) {
    say("Enter the path of a resource, as clients ask for it: /api/journeys/onboarding", "problem");
    return false;
  }
  byId("resource").ariaBusy = "true";
  say("Looking …");
  let found = true;
  try {
    shown = { ...(await get("resource", { url: target, method })), url: target, method };
    say(`As it stood at ${timeOfDay(new Date())}.`);
    showFacts();
    history.show(shown.history);
  } catch (error) {
    shown = null;
    found = false;
    say(error.words ?? String(error), "problem");
  }
  byId("resource").ariaBusy = "false";
  byId("resource").hidden = shown === null;
  byId("lookup-hint").hidden = shown !== null;
  return found;
}

function showFacts() {
  put(byId("resource-title"), shown.url);
  byId("resource-state").replaceChildren(stateLabel(shown.state));
  put(byId("resource-meaning"), shown.explanation);
  const code = (text) => (text === null || text === "" ? NOTHING : make("code", { class: "whole" }, text));
  const secret = (text) => (shown.with_token ? code(text) : make("span", { class: "quiet" }, "with the token"));
  describe(byId("resource-facts"), [
    ["Route", shown.route],
    ["Strategy", shown.strategy],
    ["Dialect", shown.dialect],
    ["Tag", secret(shown.tag)],
    ["Version", secret(shown.version)],
    ["Changed", moment(shown.changed_at)],
    ["Last writer", person(shown.last_writer, NOTHING)],
    ["Has the lease", person(shown.holder, NOTHING)],
    ["Lease ends", until(shown.lease_until_at)],
    ["Writes wait until", until(shown.quarantine_until_at ?? shown.grace_until_at)],
    ["Key", code(shown.key)],
    ["Lineage", digest(shown.lineage, 16)],
  ]);
}

/** A moment, with how long it is until then. */
export function until(at) {
  const left = (Date.parse(at ?? "") - now()) / 1000;
  if (!Number.isFinite(left)) return NOTHING;
  return make("span", {}, moment(at), left > 0 ? ` (in ${remaining(left)})` : " (over)");
}

async function act(name) {
  const action = ACTIONS[name];
  const { url, method } = shown;
  const tell = (text, kind) => say(text, kind, "action-said");
  tell("");
  if (!(await confirm({ ...action, subject: url }))) return;
  if (!(await askToken(`To change the record of ${url}, noclobber wants to know that you may.`))) {
    tell("Nothing was changed: no token was entered.", "problem");
    return;
  }
  try {
    await post(`resource/${name}`, { url, method });
  } catch (error) {
    tell(`Nothing was changed. ${error.words ?? error}`, "problem");
    return;
  }
  if (await look(url, method)) tell(action.done, "success");
}

/** Say what came of a look-up, or of an action: each beside what was pressed. */
function say(text, kind = "", place = "lookup-said") {
  const line = byId(place);
  line.className = `said ${kind}`;
  put(line, text);
}
