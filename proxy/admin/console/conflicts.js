// The view of conflicts: who lost against whom, on what, how old the losing read was, and when.
import { byId, fill, make, put, Table } from "./dom.js";
import { counted, digest, duration, moment, NOTHING } from "./format.js";
import { feed, fits, listen, pause, readOlder } from "./feed.js";
import { KINDS, kindLabel, OPERATORS } from "./kinds.js";
import { person, personButton } from "./people.js";

const BRIEF = 14;
const SHOWN = 200;
const TELL_MILLISECONDS = 10_000;
const FRESH_MILLISECONDS = 4000;
const EMPTY = "No conflict yet. When a write is refused to save an update, it stands here at once.";
const filter = { route: "", kind: "", who: "" };
const arrivals = new Map();
const tables = {};
let untold = [];
let toldAt = 0;

const COLUMNS = [
  { name: "at", title: "Time", kind: "number" },
  { name: "kind", title: "Kind" },
  { name: "what", title: "Request" },
  { name: "resource", title: "Resource" },
  { name: "who", title: "Writer" },
  { name: "winner", title: "Against" },
  { name: "age", title: "Read age", kind: "number" },
];

const request = (event) => make("span", { class: "request" }, make("b", {}, OPERATORS.has(event.kind) ? "" : `${event.method} `), event.route);
const mark = (event) => (Date.now() - (arrivals.get(event.id) ?? 0) < FRESH_MILLISECONDS ? "fresh" : "");
const age = (event) => (event.read_age_seconds === null || event.read_age_seconds === undefined ? NOTHING : duration(event.read_age_seconds));

function cells(event, who) {
  const people = OPERATORS.has(event.kind) ? [person("", "an operator"), NOTHING] : [who(event.principal), who(event.winner, "unknown")];
  return [moment(event.at), kindLabel(event.kind, event.mode), request(event), digest(event.key), ...people, age(event)];
}

/** Conflicts of one resource, under a heading. */
export function historyTable(host, empty) {
  const columns = COLUMNS.filter(({ name }) => name !== "resource");
  const inside = (event) => cells(event, person).filter((_, index) => index !== 3);
  return new Table(host, { caption: "Conflicts of this resource, the newest first", columns, key: (event) => event.id, cells: inside, empty });
}

/** Put the tables there, and follow the feed. */
export function makeConflicts() {
  const common = { columns: COLUMNS, key: (event) => event.id, mark, empty: EMPTY };
  tables.brief = new Table(byId("feed-brief"), { ...common, caption: "The latest conflicts, the newest first", cells: (event) => cells(event, person) });
  tables.full = new Table(byId("feed-full"), { ...common, caption: "Conflicts, the newest first", cells: (event) => cells(event, personButton) });
  for (const kind of Object.keys(KINDS)) byId("filter-kind").append(make("option", { value: kind }, KINDS[kind][0]));
  for (const name of ["route", "kind"]) byId(`filter-${name}`).addEventListener("change", (event) => choose({ [name]: event.target.value }));
  byId("feed-full").addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-person]");
    if (chosen) choose({ who: chosen.dataset.person });
  });
  byId("filter-who").addEventListener("click", () => choose({ who: "" }));
  for (const button of document.querySelectorAll("[data-pause]")) button.addEventListener("click", () => pause(!feed.isPaused));
  byId("older").addEventListener("click", older);
  listen((fresh) => {
    for (const event of fresh) arrivals.set(event.id, Date.now());
    if (fresh.length) setTimeout(show, FRESH_MILLISECONDS + 100);
    untold.push(...fresh);
    show();
    tellSoon();
  });
  show();
}

function choose(values) {
  Object.assign(filter, values);
  show();
}

/** Offer the routes that there are. */
export function offerRoutes(routes) {
  const list = byId("filter-route");
  const names = routes.map(({ name }) => name);
  const offered = [...list.options].slice(1).map((option) => option.value);
  if (names.join("\n") === offered.join("\n")) return;
  list.replaceChildren(list.options[0], ...names.map((name) => make("option", { value: name }, name)));
  list.value = names.includes(filter.route) ? filter.route : "";
}

function show() {
  const chosen = feed.events.filter((event) => fits(event, filter));
  tables.brief.show(feed.events.slice(0, BRIEF));
  tables.full.show(chosen.slice(0, Math.max(SHOWN, chosen.length)));
  const isFiltered = Object.values(filter).some(Boolean);
  tables.full.explain(isFiltered && feed.events.length ? "None of the events read so far fits. Show older ones, or change the filter." : explain());
  tables.brief.explain(explain());
  for (const button of document.querySelectorAll("[data-pause]")) {
    put(button, feed.isPaused ? "Resume" : "Pause");
    button.setAttribute("aria-pressed", String(feed.isPaused));
  }
  const state = streamState();
  for (const line of document.querySelectorAll("[data-stream]")) {
    put(line, state);
    line.dataset.stream = feed.isPaused ? "paused" : String(feed.isConnected);
  }
  put(byId("feed-count"), isFiltered ? `${counted(chosen.length, "event")} of ${feed.events.length}` : counted(feed.events.length, "event"));
  byId("filter-who").hidden = !filter.who;
  if (filter.who) fill(byId("filter-who"), make("span", {}, "Only ", person(filter.who), make("span", { class: "remove" }, "Show all")));
  byId("older").hidden = !feed.hasOlder;
}

function explain() {
  if (feed.error) return `The conflict log cannot be read: ${feed.error}`;
  return feed.isKnown ? EMPTY : "Reading the conflict log …";
}

function streamState() {
  if (feed.isPaused) return feed.held ? `Paused, ${feed.held} new` : "Paused";
  if (feed.isConnected === null) return "Connecting …";
  return feed.isConnected ? "Live" : "Reconnecting …";
}

async function older() {
  const button = byId("older");
  button.disabled = true;
  try {
    await readOlder(filter.route, filter.kind);
    put(byId("older-problem"), "");
  } catch (error) {
    put(byId("older-problem"), error.words ?? String(error));
  }
  button.disabled = false;
}

/** Tell a screen reader what has come, at most once in ten seconds. */
function tellSoon() {
  if (untold.length === 0 || feed.isPaused) return;
  const wait = toldAt + TELL_MILLISECONDS - Date.now();
  if (wait > 0) {
    setTimeout(tellSoon, wait);
    return;
  }
  const last = untold.at(-1);
  const name = (KINDS[last.kind] ?? [last.kind])[0];
  put(byId("spoken"), `${counted(untold.length, "new conflict")}. The last one: ${name}, ${last.method} on route ${last.route}.`);
  untold = [];
  toldAt = Date.now();
}
