// The admin API: the only source of everything shown here. The token is kept in this module's memory and nowhere else.

import { timeOfDay } from "./format.js";

const BASE = new URL("api/v1/", document.baseURI);
const PATIENCE_MILLISECONDS = 8000;
let token = "";
let offset = 0;

/** What went wrong with a request. `status` 0: there was no answer. `words` can be shown as they are. */
export class Problem extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
    this.words = words;
  }
}

export const hasToken = () => token !== "";

/** Keep the token until the page is left. Empty: forget it. */
export const keepToken = (value) => {
  token = value;
  document.dispatchEvent(new CustomEvent("token"));
};

/** Keep a token if noclobber takes it. A Problem otherwise. */
export async function tryToken(value) {
  await request(new URL("status", BASE), { headers: { Authorization: `Bearer ${value}` } });
  keepToken(value);
}

/** The time at noclobber, in milliseconds: leases and waits end by its clock, not by the viewer's. */
export const now = () => Date.now() + offset;

/** GET a document. `values` go into the query; empty ones are left out. */
export function get(path, values = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(values)) if (value !== "" && value !== null) url.searchParams.set(name, value);
  return request(url, {});
}

/** POST a document. */
export const post = (path, document) =>
  request(new URL(path, BASE), { method: "POST", body: JSON.stringify(document), headers: { "Content-Type": "application/json" } });

/** Hear of conflicts as they come. Closing it is the caller's. */
export const conflictStream = () => new EventSource(new URL("conflicts/stream", BASE));

async function request(url, options) {
  const used = token;
  const headers = { Accept: "application/json", ...(used && { Authorization: `Bearer ${used}` }), ...options.headers };
  let answer, text;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
    answer = await fetch(url, { ...options, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
    text = await answer.text();
  } catch (error) {
    const cause = error.name === "TimeoutError" ? `did not answer within ${PATIENCE_MILLISECONDS / 1000} s` : "could not be reached";
    throw new Problem(0, `noclobber ${cause}. It may be restarting, or the network between you and it is down.`);
  }
  noteClock(answer.headers.get("Date"));
  const read = parsed(text);
  if (used && (answer.status === 401 || answer.status === 403)) {
    // It was taken once, and is not any more. What needs none is asked for without it.
    keepToken("");
    if (!options.method) return request(url, options);
  }
  if (!answer.ok) throw new Problem(answer.status, inWords(answer.status, read ?? {}));
  if (read === null) throw new Problem(answer.status, "noclobber answered with something that is not JSON: is another server in between?");
  return read;
}

/** A Date field has whole seconds: only what is more than that is a difference of clocks. */
function noteClock(date) {
  const difference = Date.parse(date ?? "") - Date.now();
  if (Number.isFinite(difference)) offset = Math.abs(difference) > 2000 ? difference : 0;
}

function parsed(text) {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return null;
  }
}

const HINTS = {
  401: "This needs the admin token.",
  403: "noclobber refused it.",
  404: "There is no such thing.",
  409: "It is in use.",
  503: "noclobber cannot do it now.",
};

function inWords(status, { title, detail, until_at: until }) {
  const words = detail || title || HINTS[status] || `noclobber answered with status ${status}.`;
  return until ? `${words} Not before ${timeOfDay(new Date(until))}.` : words;
}
