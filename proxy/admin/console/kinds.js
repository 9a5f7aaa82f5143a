// The kinds of events in the conflict log, and the states of records, as labels.
import { make } from "./dom.js";

/** Kind of event -> what it is called, how grave it is, and what happened. */
export const KINDS = {
  stale: ["stale", "refused", "The write was based on an older version. It was refused, and an update was saved."],
  missing: ["missing", "refused", "The write named no version, and this route demands one. It was refused."],
  exists: ["exists", "refused", "The write was to create something that already existed. It was refused."],
  gone: ["gone", "refused", "The write was based on something that no longer exists. It was refused."],
  "unknown-outcome": ["unknown", "bad", "The backend gave no answer: nobody can say whether the write was applied."],
  "out-of-band": ["out of band", "odd", "The resource was changed around noclobber."],
  "blind-overwrite": ["blind", "odd", "A write without a version replaced what stood there."],
  override: ["override", "odd", "The client gave a reason to overwrite whatever stood there, and was allowed to."],
  "override-refused": ["no override", "refused", "The client wanted to overwrite whatever stood there, and may not."],
  "forced-after-conflict": ["forced", "bad", "Who had just been refused wrote again without a version: the update of someone else was replaced."],
  forgotten: ["forgotten", "calm", "An operator had the record forgotten."],
  "marked-unknown": ["marked", "calm", "An operator had the record marked unknown."],
};

/** State of a record -> how grave it is. What it means, the API says itself. */
const STATES = { settled: "good", pending: "odd", abandoned: "bad", quarantine: "bad", unknown: "bad", "lost-history": "odd" };

/** Kinds that no client caused. */
export const OPERATORS = new Set(["forgotten", "marked-unknown"]);

/** A kind as a label. Where noclobber only observes, the label is drawn otherwise: nothing was refused. */
export function kindLabel(kind, mode = "enforce") {
  const [name, grade, meaning] = KINDS[kind] ?? [kind, "calm", ""];
  const isObserved = mode === "observe";
  const said = isObserved ? make("span", { class: "unseen" }, " (observed)") : null;
  const title = isObserved ? "Observed only: enforcing would have taken it otherwise." : meaning;
  return make("span", { class: `label ${grade} ${isObserved ? "observed" : ""}`.trim(), title: title || null }, name, said);
}

/** A state as a label. */
export const stateLabel = (state) => make("span", { class: `label ${STATES[state] ?? "calm"}` }, state);
