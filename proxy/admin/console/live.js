// What is known of noclobber at this moment: asked for again and again, and told to whoever listens.
import { get } from "./api.js";

const EVERY_MILLISECONDS = 2000;
const HIDDEN_MILLISECONDS = 15_000;
const LONGEST_MILLISECONDS = 15_000;
/** Over how many looks a rate is taken: a few events a second jump too much over one. */
const SMOOTH_LOOKS = 3;
/** What a hidden page, or a noclobber under load, does not reach. */
const GAP_SECONDS = 60;
export const WINDOW_SECONDS = 300;

/** `status` is the last one that came, null before the first; `error` is set while none comes; `since` is when that began. */
export const live = { status: null, error: null, since: null, retryAt: null, samples: [] };
const listeners = new Set();
let failures = 0;
let timer = 0;
let isAsking = false;

/** Call a function after each look, whether it found something or not. */
export const listen = (listener) => listeners.add(listener);

/** Look now, and from then on again and again. */
export async function look() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    take(await get("status"));
  } catch (error) {
    failures += 1;
    live.error = error.words ?? String(error);
    live.since ??= Date.now();
  }
  isAsking = false;
  const pause = live.error ? Math.min(LONGEST_MILLISECONDS, 1000 * 2 ** Math.min(failures - 1, 4)) : EVERY_MILLISECONDS;
  const wait = document.hidden ? Math.max(pause, HIDDEN_MILLISECONDS) : pause;
  live.retryAt = Date.now() + wait;
  timer = setTimeout(look, wait);
  for (const listener of listeners) listener();
}

function take(status) {
  Object.assign(live, { status, error: null, since: null });
  failures = 0;
  const totals = status.totals;
  live.samples.push({
    at: Date.now() / 1000,
    requests: totals.requests,
    writes: totals.writes,
    refused: refused(status),
    prevented: totals.prevented,
  });
  const oldest = Date.now() / 1000 - WINDOW_SECONDS - 10;
  while (live.samples[0].at < oldest) live.samples.shift();
}

/** How many writes were refused to save an update; where noclobber only observes, how many would have been. */
export const refused = ({ mode, totals }) => (mode === "observe" ? totals.would_refuse : sum(totals.conflicts));

/** The sum of an object's values. */
export const sum = (counts) => Object.values(counts ?? {}).reduce((total, value) => total + value, 0);

/** How much of the window we have been looking on, in minutes. */
export const watchedMinutes = () => Math.max(1, Math.round((live.samples.at(-1).at - live.samples[0].at) / 60));

/** By how much a counter grew over the window. What went back was begun anew, and counts from there. */
export function growth(name) {
  let grown = 0;
  live.samples.forEach((sample, index) => {
    const before = live.samples[index - 1];
    if (before) grown += Math.max(0, sample[name] - before[name]);
  });
  return grown;
}

/** Rates per second at each look, over the last few: [times, values]. A long gap, or a counter that went back, is null. */
export function rates(name) {
  const times = [];
  const values = [];
  live.samples.forEach((sample, index) => {
    if (index === 0) return;
    const before = live.samples[Math.max(0, index - SMOOTH_LOOKS)];
    const seconds = sample.at - before.at;
    const grown = sample[name] - before[name];
    times.push(sample.at);
    values.push(grown < 0 || seconds > GAP_SECONDS ? null : grown / Math.max(seconds, 0.001));
  });
  return [times, values];
}

document.addEventListener("visibilitychange", () => document.hidden || look());
