// The conflict feed: what the log holds, and what comes while we look. It connects again by itself, and misses nothing on the way.
import { conflictStream, get } from "./api.js";

const PAGE = 50;
const MOST = 1000;
const FIRST_WAIT_MILLISECONDS = 1000;
const LONGEST_WAIT_MILLISECONDS = 15_000;

/**
 * `events`: newest first. `held`: how many came while it is paused. `isConnected`: whether the stream is open; null before the first try.
 * `isKnown`: whether the log has been read once. `hasOlder`: whether there is more of it than was read.
 */
export const feed = { events: [], held: 0, isPaused: false, isConnected: null, isKnown: false, hasOlder: false, error: "" };
const known = new Map();
const listeners = new Set();
let waiting = [];
let stream = null;
let wait = FIRST_WAIT_MILLISECONDS;
let timer = 0;
let next = null;

/** Call a function after each change, with the events that are new: those of the stream, not those that were read from the log. */
export const listen = (listener) => listeners.add(listener);

const tell = (fresh = []) => listeners.forEach((listener) => listener(fresh));

/** Open the stream, and read what the log holds already. */
export function connect() {
  clearTimeout(timer);
  stream?.close();
  stream = conflictStream();
  stream.addEventListener("open", () => {
    wait = FIRST_WAIT_MILLISECONDS;
    feed.isConnected = true;
    // What came between two connections is in the log.
    readLatest();
  });
  stream.addEventListener("conflict", (message) => arrive(JSON.parse(message.data), message.lastEventId));
  stream.addEventListener("error", () => {
    feed.isConnected = false;
    // A browser gives up for good where the answer was no stream: then it is tried here.
    if (stream.readyState === EventSource.CLOSED) {
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MILLISECONDS);
    }
    tell();
  });
}

/** Stop hearing, as long as nobody looks. */
export function disconnect() {
  clearTimeout(timer);
  stream?.close();
}

async function readLatest() {
  try {
    const page = await get("conflicts", { limit: PAGE });
    add(page.events);
    if (!feed.isKnown) next = page.next;
    Object.assign(feed, { isKnown: true, hasOlder: next !== null, error: "" });
  } catch (error) {
    feed.error = error.words ?? String(error);
  }
  tell();
}

/** Read what came before the oldest event that is shown; of one route or kind, if these are given. */
export async function readOlder(route, kind) {
  const oldest = feed.events.findLast((event) => fits(event, { route, kind }));
  const page = await get("conflicts", { limit: PAGE, before: oldest?.id ?? next ?? "", route, kind });
  add(page.events);
  next = page.next;
  feed.hasOlder = page.next !== null && feed.events.length < MOST;
  tell();
}

/** Hold back what comes, or let it in. */
export function pause(isPaused) {
  feed.isPaused = isPaused;
  if (!isPaused) {
    add(waiting);
    waiting = [];
    feed.held = 0;
  }
  tell();
}

/** Whether an event is of a route, a kind, a person. What is empty does not matter. */
export const fits = (event, { route = "", kind = "", who = "" }) =>
  (!route || event.route === route) && (!kind || event.kind === kind) && (!who || event.principal === who || event.winner === who);

function arrive(event, id) {
  event.id ??= id;
  if (known.has(event.id)) return;
  if (feed.isPaused) {
    if (!waiting.some((held) => held.id === event.id)) waiting.push(event);
    feed.held = waiting.length;
  } else {
    add([event]);
  }
  tell([event]);
}

function add(events) {
  const fresh = events.filter((event) => !known.has(event.id));
  for (const event of fresh) known.set(event.id, event);
  if (fresh.length === 0) return;
  feed.events = [...feed.events, ...fresh].sort((one, other) => Date.parse(other.at) - Date.parse(one.at) || after(other.id, one.id));
  for (const event of feed.events.splice(MOST)) known.delete(event.id);
}

/** Ids are numbers, or two with a dash between them. */
function after(one, other) {
  const [a, b] = [one, other].map((id) => String(id).split("-").map(Number));
  return a[0] - b[0] || (a[1] ?? 0) - (b[1] ?? 0);
}
