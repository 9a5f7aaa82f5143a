// The first view: how many lost updates were prevented, how the rates are, what is contended, and what is in doubt.
import { hasToken } from "./api.js";
import { askToken } from "./dialogs.js";
import { byId, make, put, Table } from "./dom.js";
import { compact, count, counted, digest, duration, moment } from "./format.js";
import { kindLabel, stateLabel } from "./kinds.js";
import { growth, live, refused, sum, watchedMinutes } from "./live.js";
import { lookupLink, until } from "./lookup.js";

const tables = {};

/** A resource, by its path where we may know it, or else by its key. */
const resource = ({ path, key }) => (path ? lookupLink(path) : digest(key, 12));

/** Put the tables there. */
export function makeOverview() {
  tables.hottest = new Table(byId("hottest"), {
    caption: "The resources with the most conflicts",
    columns: [
      { name: "resource", title: "Resource", isHead: true },
      { name: "route", title: "Route" },
      { name: "conflicts", title: "Conflicts", kind: "number" },
      { name: "writes", title: "Writes", kind: "number" },
      { name: "waits", title: "Waits", kind: "number" },
    ],
    key: (item) => `${item.route} ${item.key}`,
    cells: (item) => [resource(item), item.route, compact(item.conflicts), compact(item.writes), compact(item.waits)],
    empty: "No resource has been written yet.",
  });
  byId("show-paths").addEventListener("click", () => askToken("Paths may name people: only who has the token is shown them."));
  document.addEventListener("token", offerPaths);
  tables.doubts = new Table(byId("doubts"), {
    caption: "Records whose last write has no known outcome",
    columns: [
      { name: "resource", title: "Resource", isHead: true },
      { name: "route", title: "Route" },
      { name: "state", title: "State" },
      { name: "since", title: "Since", kind: "number" },
      { name: "until", title: "Writes wait until", kind: "number" },
    ],
    key: (item) => `${item.route} ${item.key}`,
    cells: (item) => [resource(item), item.route, stateLabel(item.state), moment(item.since_at), until(item.until_at)],
    empty: "None: of every write it is known whether it was applied.",
  });
}

/** Offer what needs the token, as long as there is none. */
function offerPaths() {
  byId("show-paths").hidden = hasToken();
}

/** Show what came with a status. */
export function showOverview() {
  const { status } = live;
  if (!status) return;
  const { totals, latency } = status;
  const observes = status.mode === "observe";
  put(byId("prevented"), count(observes ? totals.would_refuse : totals.prevented));
  put(byId("prevented-title"), observes ? "Writes that would be refused" : "Lost updates prevented");
  put(byId("prevented-recent"), `${count(growth(observes ? "refused" : "prevented"))} in ${window()}`);
  put(byId("prevented-share"), share(refused(status), totals.writes));
  put(byId("refused-title"), observes ? "Would be refused" : "Refused");
  showKinds(totals.conflicts);
  const { store, upstreams, workers } = status;
  const servers = upstreams.flatMap((upstream) => upstream.servers);
  const isUp = servers.filter(({ up }) => up).length;
  const serving = workers.filter(({ state }) => state === "serving").length;
  const values = {
    // What is shown, and whether it is an alarm.
    store: [store.up ? "up" : "down", !store.up],
    upstreams: [`${isUp} of ${servers.length}`, isUp < servers.length],
    workers: [`${serving} of ${workers.length}`, serving === 0],
    "in-flight": [count(status.in_flight)],
    queue: [count(status.lease_queue)],
    doubt: [count(status.in_doubt), status.in_doubt > 0],
    unknown: [compact(totals.unknown), totals.unknown > 0],
    unprotected: [compact(totals.unprotected)],
    forced: [compact(totals.forced_after_conflict)],
    "out-of-band": [compact(totals.out_of_band)],
    overhead: [duration(latency.overhead_p50_seconds ?? Number.NaN)],
    "overhead-high": [duration(latency.overhead_p99_seconds ?? Number.NaN)],
  };
  for (const [name, [text, isAlarm]] of Object.entries(values)) {
    const place = byId(`value-${name}`);
    put(place, text);
    place.classList.toggle("alarm", Boolean(isAlarm));
  }
}

/** The time in which we have counted along. */
function window() {
  const minutes = watchedMinutes();
  return minutes === 1 ? "the last minute" : `the last ${minutes} minutes`;
}

function share(part, whole) {
  if (!whole) return "No write has come yet.";
  if (!part) return `None of ${counted(whole, "write")} was refused.`;
  return `${((100 * part) / whole).toFixed(1)} % of ${counted(whole, "write")} were refused.`;
}

/** Conflicts by kind, the most frequent first, each with a bar for its part of all. */
function showKinds(conflicts) {
  const list = byId("kinds");
  const all = sum(conflicts);
  const kinds = Object.entries(conflicts ?? {}).sort((one, other) => other[1] - one[1]);
  list.hidden = kinds.length === 0;
  byId("kinds-empty").hidden = kinds.length > 0;
  kinds.forEach(([kind, number], index) => {
    const row = list.children[index] ?? list.appendChild(make("li", {}, make("span"), make("i", { "aria-hidden": "true" }, make("i")), make("b")));
    const [name, bar, value] = row.children;
    if (row.dataset.kind !== kind) {
      row.dataset.kind = kind;
      name.replaceChildren(kindLabel(kind));
    }
    bar.firstChild.style.width = `${all ? (100 * number) / all : 0}%`;
    put(value, count(number));
  });
  while (list.children.length > kinds.length) list.lastElementChild.remove();
}

/** Show the hottest resources. */
export const showHottest = (hottest) => tables.hottest.show(hottest);

/** Show the records in doubt. */
export const showDoubts = (doubts) => tables.doubts.show(doubts);
