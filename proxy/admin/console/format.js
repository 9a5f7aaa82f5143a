// Numbers, durations and times as they are shown. "–" stands for what is not known.
import { make } from "./dom.js";

export const NOTHING = "–";
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** A count, with its thousands set apart. */
export const count = (value) => (Number.isFinite(value) ? whole.format(value) : NOTHING);

/** A count in little room: 12.4K. */
export const compact = (value) => (Number.isFinite(value) ? (value < 10_000 ? whole.format(value) : short.format(value)) : NOTHING);

/** A rate: what is small keeps its decimals. */
export function rate(value) {
  if (!Number.isFinite(value)) return NOTHING;
  return value >= 100 ? whole.format(value) : value.toFixed(value >= 10 ? 1 : 2);
}

/** A duration in the two units that matter: 850 µs, 12.4 ms, 3.1 s, 4 m 05 s, 2 h 10 m, 3 d 4 h. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const parts = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const first = parts.findIndex((part) => part > 0);
  const units = ["d", "h", "m", "s"];
  return `${parts[first]} ${units[first]} ${String(parts[first + 1]).padStart(2, "0")} ${units[first + 1]}`;
}

/** What is left of a wait, in whole seconds: they are counted down. */
export const remaining = (seconds) => (seconds < 60 ? `${Math.ceil(seconds)} s` : duration(seconds));

/** A time of the viewer's day. */
export const timeOfDay = (date) => clock.format(date);

/** A moment in the viewer's zone, with the moment in UTC for who points at it. Of another day, the day stands with it. */
export function moment(at) {
  const date = new Date(at);
  if (!at || Number.isNaN(date.getTime())) return NOTHING;
  const isToday = date.toDateString() === new Date().toDateString();
  const utc = `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;
  const text = isToday ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
  return make("time", { datetime: date.toISOString(), title: utc }, text);
}

/** The beginning of a digest: enough to tell two apart at a glance. All of it for who points at it. */
export const digest = (value, length = 8) => (value ? make("code", { title: value }, value.slice(0, length)) : NOTHING);

/** "1 write", "2 writes". */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
