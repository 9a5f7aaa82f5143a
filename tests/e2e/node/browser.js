// The browser of one user, driven by lines of JSON on standard input: {"id", "verb", "arguments"} -> {"id", "result"} or {"id", "error"}.
// Several verbs may be under way at once. `node browser.js URL COOKIE PAGE`: a page at URL, whose components and verbs are those of PAGE.
import { createInterface } from 'node:readline';
import { JSDOM, VirtualConsole } from 'jsdom';

const [url, cookie, page] = process.argv.slice(2);
const wire = [];
const dom = new JSDOM('<!doctype html><body></body>', { url, pretendToBeVisual: true, virtualConsole: new VirtualConsole() });
const { window } = dom;
window.document.cookie = cookie;

class RecordedRequest extends window.XMLHttpRequest {
  open(method, address, ...more) {
    this.addEventListener('loadend', () => wire.push({ method, path: new URL(address, url).pathname, status: this.status }));
    super.open(method, address, ...more);
  }
}

// What a browser's fetch does and that of node does not: addresses that are relative to the page, and cookies.
const plainFetch = globalThis.fetch;
async function fetchFromPage(address, init = {}) {
  const request = new Request(new URL(address, url), init);
  request.headers.set('Cookie', window.document.cookie);
  const answer = await plainFetch(request);
  wire.push({ method: request.method, path: new URL(request.url).pathname, status: answer.status });
  return answer;
}

// Standard output is the tests': what the page says to its console goes elsewhere.
console.log = console.info = console.warn = console.error;

const globals = { window, document: window.document, navigator: window.navigator, XMLHttpRequest: RecordedRequest, fetch: fetchFromPage };
for (const [name, value] of Object.entries(globals)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

// Only from here on: these look at the globals when they are loaded.
const { createElement } = await import('react');
const { createRoot } = await import('react-dom/client');
const { QueryClient, QueryClientProvider } = await import('@tanstack/react-query');
const { components, verbs = {} } = await import(page);

const tabs = new Map();

function find(tab, selector) {
  return tabs.get(tab).querySelector(selector);
}

function named(tab, name) {
  const found = find(tab, `[name="${name}"]`);
  if (found === null) throw new Error(`${tab} shows no ${name}: ${tabs.get(tab).innerHTML}`);
  return found;
}

const every = {
  // Open a tab that shows a component of the page.
  render(tab, component, properties) {
    const root = window.document.body.appendChild(window.document.createElement('main'));
    tabs.set(tab, root);
    const shown = createElement(components[component], { tab, ...properties });
    createRoot(root).render(createElement(QueryClientProvider, { client: new QueryClient() }, shown));
  },
  // Type into a field, as the user would: React listens for the event, and looks whether the value is new.
  fill(tab, name, text) {
    const { set } = Object.getOwnPropertyDescriptor(window.HTMLInputElement.prototype, 'value');
    const field = named(tab, name);
    set.call(field, text);
    field.dispatchEvent(new window.Event('input', { bubbles: true }));
  },
  press(tab, name) {
    named(tab, name).click();
  },
  // The text, or the value of a field. null: there is no such thing.
  text(tab, selector) {
    const found = find(tab, selector);
    return found === null ? null : (found.value ?? found.textContent);
  },
  texts(tab, selector) {
    return [...tabs.get(tab).querySelectorAll(selector)].map((found) => found.textContent);
  },
  // Every answer that this browser got, in order; status 0: none came.
  wire() {
    return wire;
  },
};

const known = { ...verbs, ...every };

async function obey(line) {
  const { id, verb, arguments: given } = JSON.parse(line);
  let reply;
  try {
    reply = { id, result: (await known[verb](...given)) ?? null };
  } catch (error) {
    reply = { id, error: `${error.stack ?? error}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

process.on('unhandledRejection', (error) => console.error('unhandled:', error));
const lines = createInterface({ input: process.stdin });
lines.on('line', obey);
lines.on('close', () => process.exit(0));
process.stdout.write('{"id": 0, "result": "ready"}\n');
