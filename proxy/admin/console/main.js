// The console: views, keys, theme, and when what is asked for.
import { get } from "./api.js";
import { drawCharts, makeCharts, repaintCharts } from "./charts.js";
import { makeConflicts, offerRoutes } from "./conflicts.js";
import { prepareDialogs, showKeys } from "./dialogs.js";
import { byId, make, put } from "./dom.js";
import { moment, remaining } from "./format.js";
import { connect, disconnect, feed, pause } from "./feed.js";
import { listen, live, look } from "./live.js";
import { makeLookup, openAddress } from "./lookup.js";
import { makeOverview, showDoubts, showHottest, showOverview } from "./overview.js";
import { makeSystem, showRoutes, showSystem } from "./system.js";

const VIEWS = ["overview", "conflicts", "resource", "routes", "system"];
const THEMES = ["system", "light", "dark"];
const ASIDE_EVERY = 2;
let looks = 0;
let shown = null;

// ---- views ----

function currentView() {
  const [name, parameters] = location.hash.slice(1).split("?");
  return [VIEWS.includes(name) ? name : "overview", new URLSearchParams(parameters)];
}

/** Show the view that the address names. Its heading gets the focus when the viewer came from another one. */
function showView() {
  const [view, parameters] = currentView();
  const hasMoved = shown !== null && shown !== view;
  shown = view;
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = byId(`view-${view}`).querySelector("h1");
  document.title = `${heading.textContent} · noclobber`;
  if (view === "resource") openAddress(parameters);
  if (hasMoved) {
    globalThis.scrollTo(0, 0);
    heading.focus();
    lookAside();
  }
}

/** The content begins at the heading of the view that is shown: the address is not changed. */
function skip(event) {
  event.preventDefault();
  byId(`view-${currentView()[0]}`).querySelector("h1").focus();
}

// ---- what is shown everywhere ----

function showState() {
  const { status, error } = live;
  const pill = byId("state");
  const [grade, text] = error ? ["bad", "No connection"] : !status ? ["calm", "Connecting …"] : status.ready ? ["good", "Ready"] : ["bad", "Not ready"];
  pill.className = `pill ${grade}`;
  put(pill.lastElementChild, text);
  if (status) put(byId("version"), status.version);
  byId("observing").hidden = status?.mode !== "observe";
  byId("not-ready").hidden = !status || status.ready || Boolean(error);
  if (status) put(byId("reasons"), status.reasons.join("; "));
  document.body.classList.toggle("stale", Boolean(error));
  showTrouble();
}

function showTrouble() {
  const { error, since, retryAt, status } = live;
  byId("trouble").hidden = !error;
  if (!error) return;
  put(byId("trouble-words"), error);
  byId("trouble-since").replaceChildren(
    ...(status ? ["What is shown is of ", moment(new Date(since).toISOString()), "."] : ["Nothing could be read so far."]),
  );
  put(byId("trouble-retry"), `Next try in ${remaining(Math.max(1, (retryAt - Date.now()) / 1000))}.`);
}

/** Ask for something, and show it. A failure is that of the connection, and told as such already. */
async function bring(path, values, ...shows) {
  try {
    const document = await get(path, values);
    for (const show of shows) show(document);
  } catch (error) {
    if (error.words === undefined) throw error;
  }
}

/** Ask for what only some views show. */
function lookAside() {
  const [view] = currentView();
  if (view === "overview") {
    bring("hottest", { limit: 10 }, showHottest);
    bring("doubts", {}, showDoubts);
  }
  if (view === "routes" || view === "conflicts") bring("routes", {}, showRoutes, offerRoutes);
}

// ---- theme ----

function chosenTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function showTheme() {
  put(byId("theme").lastElementChild, chosenTheme());
  byId("theme").setAttribute("aria-label", `Theme: ${chosenTheme()}. Change it`);
  repaintCharts();
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  keep("noclobber-theme", theme);
  showTheme();
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing asks again the next time.
  }
}

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// ---- keys ----

function go(view) {
  if (currentView()[0] === view) byId(`view-${view}`).querySelector("h1").focus();
  else location.hash = `#${view}`;
}

function lookUp() {
  location.hash = "#resource";
  // After the view has been shown, which gives the focus to its heading.
  setTimeout(() => byId("lookup-url").select(), 50);
}

const KEYS = {
  ...Object.fromEntries(VIEWS.map((view, index) => [String(index + 1), () => go(view)])),
  "/": lookUp,
  p: () => pause(!feed.isPaused),
  t: nextTheme,
  "?": showKeys,
};

function press(event) {
  const isTyping = event.target.closest("input, select, textarea, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !byId("keys-on").checked) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function makeKeys() {
  byId("keys-on").checked = kept("noclobber-keys") !== "off";
  byId("keys-on").addEventListener("change", (event) => keep("noclobber-keys", event.target.checked ? "on" : "off"));
  document.addEventListener("keydown", press);
  byId("keys").addEventListener("click", showKeys);
}

// ---- start ----

function start() {
  prepareDialogs();
  makeOverview();
  makeConflicts();
  makeLookup();
  makeSystem();
  makeCharts();
  makeKeys();
  byId("theme").addEventListener("click", nextTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  byId("skip").addEventListener("click", skip);
  byId("try-now").addEventListener("click", look);
  byId("host").append(make("span", {}, location.host));
  addEventListener("hashchange", showView);
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  document.addEventListener("token", lookAside);
  showTheme();
  showView();
  listen(() => {
    showState();
    showOverview();
    showSystem();
    drawCharts();
    if (!live.error && looks++ % ASIDE_EVERY === 0) lookAside();
  });
  setInterval(showTrouble, 1000);
  look();
  connect();
}

start();
