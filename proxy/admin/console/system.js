// The views of routes, and of the system: store, upstreams, workers, configuration.
import { byId, describe, make, Table } from "./dom.js";
import { compact, count, duration, moment, NOTHING } from "./format.js";
import { live, sum } from "./live.js";

const tables = {};
const label = (grade, text) => make("span", { class: `label ${grade}` }, text);
const upOrDown = (isUp) => (isUp ? label("good", "up") : label("bad", "down"));
const number = (name, title) => ({ name, title, kind: "number" });
const VERDICTS = { proceed: "passed", not_modified: "not modified", failed: "failed", not_applicable: "left to the backend" };

/** Put the tables there. */
export function makeSystem() {
  tables.routes = new Table(byId("routes-table"), {
    caption: "Routes, in the order in which they are tried",
    columns: [
      { name: "route", title: "Route", isHead: true },
      { name: "speaks", title: "How it decides" },
      { name: "verdicts", title: "Verdicts on preconditions" },
      number("requests", "Requests"),
      number("refused", "Refused"),
      number("prevented", "Prevented"),
      number("unprotected", "Unprotected"),
      number("forced", "Forced"),
      number("unknown", "Unknown"),
      number("out", "Out of band"),
    ],
    key: (route) => route.name,
    cells: routeCells,
    empty: "noclobber has not told its routes yet.",
  });
  tables.upstreams = new Table(byId("upstreams"), {
    caption: "Servers of each upstream",
    columns: [
      { name: "name", title: "Upstream", isHead: true },
      { name: "server", title: "Server" },
      { name: "state", title: "State" },
      number("idle", "Idle"),
      number("busy", "Busy"),
      number("waiting", "Waiting"),
      number("errors", "Errors"),
    ],
    key: (server) => `${server.name} ${server.url}`,
    cells: (server) => [server.name, server.url, upOrDown(server.up), count(server.idle), count(server.busy), count(server.waiting), compact(server.errors)],
    empty: "noclobber has not told its upstreams yet.",
  });
  tables.workers = new Table(byId("workers"), {
    caption: "Worker processes",
    columns: [
      { name: "worker", title: "Worker", isHead: true },
      { name: "state", title: "State" },
      number("pid", "Process"),
      number("uptime", "Up for"),
      number("restarts", "Restarts"),
      number("flight", "In flight"),
      number("connections", "Connections"),
    ],
    key: (worker) => `${worker.worker} ${worker.pid}`,
    cells: (worker) => [
      String(worker.worker),
      label(worker.state === "serving" ? "good" : "odd", worker.state),
      String(worker.pid),
      duration(Math.floor(worker.uptime_seconds)),
      count(worker.restarts),
      count(worker.in_flight),
      count(worker.connections),
    ],
    empty: "noclobber has not told its workers yet.",
  });
}

/** Show the routes with what was decided on each. */
export function showRoutes(routes) {
  tables.routes.show(routes);
}

function routeCells(route) {
  const { totals, match } = route;
  const methods = match.methods?.length ? match.methods.join(" ") : "";
  const place = `${methods} ${match.host ?? ""}${match.path ?? ""}`.trim();
  const name = make("span", { class: "route-name" }, make("b", {}, route.name), make("code", {}, place));
  const speaks = route.guarded === false ? label("calm", "passed untouched") : make("span", { class: "speaks" }, ...settings(route));
  const verdicts = Object.entries(totals.verdicts ?? {}).map(([verdict, value]) =>
    make("span", { class: "verdict" }, make("b", {}, compact(value)), ` ${VERDICTS[verdict.replaceAll("-", "_")] ?? verdict}`),
  );
  return [
    name,
    speaks,
    verdicts.length ? make("span", { class: "verdicts" }, ...verdicts) : NOTHING,
    compact(totals.requests),
    compact(sum(totals.conflicts)),
    compact(totals.prevented),
    compact(totals.unprotected),
    compact(totals.forced),
    compact(totals.unknown),
    compact(totals.out_of_band),
  ];
}

/** How a route decides, in labels: strategy, dialect, what a write without a version gets, and whether it only observes. */
function settings({ strategy, dialect, missing, mode }) {
  return [
    label("calm", strategy),
    label("calm", dialect),
    label("calm", missing === "require" ? "version demanded" : "version optional"),
    ...(mode === "observe" ? [label("odd", "observes")] : []),
  ];
}

/** Show what came with a status. */
export function showSystem() {
  const { status } = live;
  if (!status) return;
  const { store, config, latency } = status;
  describe(byId("store"), [
    ["State", upOrDown(store.up)],
    ["Store", make("code", {}, store.url ?? store.kind)],
    ["Grace left", store.grace_remaining_seconds > 0 ? duration(store.grace_remaining_seconds) : "none"],
    ["Operations", count(store.operations)],
    ["Errors", store.errors > 0 ? label("bad", count(store.errors)) : "0"],
    ["Latency p50", milliseconds(store.latency?.p50_seconds)],
    ["Latency p99", milliseconds(store.latency?.p99_seconds)],
  ]);
  describe(byId("latency"), [
    ["Overhead p50", milliseconds(latency.overhead_p50_seconds)],
    ["Overhead p99", milliseconds(latency.overhead_p99_seconds)],
    ["Upstream p50", milliseconds(latency.upstream_p50_seconds)],
    ["Upstream p99", milliseconds(latency.upstream_p99_seconds)],
    ["Answered with 5xx", compact(status.totals.errors)],
    ["Retries recognised", compact(status.totals.own_writes)],
    ["Forced writes", compact(status.totals.forced)],
  ]);
  describe(byId("configuration"), [
    ["Version", status.version],
    ["Mode", status.mode === "observe" ? label("odd", "observe: nothing is refused") : "enforce"],
    ["File", config?.path ? make("code", {}, config.path) : "none: defaults, environment and flags"],
    ["Loaded", moment(config?.loaded_at)],
    ["Started", moment(status.started_at)],
    ["Up for", duration(Math.floor(status.uptime_seconds))],
    ["Last reload", reload(config?.reload)],
  ]);
  const servers = (status.upstreams ?? []).flatMap(({ name, url, servers: list, ...rest }) =>
    (list?.length ? list : [{ url, up: true }]).map((server) => ({ name, ...rest, ...server })),
  );
  tables.upstreams.show(servers);
  tables.workers.show(status.workers ?? []);
}

const milliseconds = (seconds) => duration(seconds ?? Number.NaN);

function reload(last) {
  if (!last) return "none since the start";
  if (last.ok) return make("span", {}, label("good", "done"), " ", moment(last.at));
  const mistakes = make("ul", { class: "mistakes" }, ...(last.errors ?? []).map((line) => make("li", {}, line)));
  return make("div", {}, label("bad", "refused"), " ", moment(last.at), ": the configuration before it is kept.", mistakes);
}
