// Elements: made, and changed only where they differ, so that neither focus nor selection is lost.

/** Make an element. `on*` attributes are listeners; false, null and undefined ones are left out; children are nodes or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG that says nothing to a screen reader, of one path. */
export function drawing(box, path, classes) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: box, class: classes, "aria-hidden": "true", focusable: "false" }))
    svg.setAttribute(name, value);
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** Show a text, if it is another one. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show one node or text in an element. What is equal stays, and what had the focus gets it back. */
export function fill(element, content) {
  if (!(content instanceof Node)) {
    if (element.firstElementChild) element.replaceChildren(String(content));
    else put(element, String(content));
    return;
  }
  const [old] = element.childNodes;
  if (element.childNodes.length === 1 && old.isEqualNode(content)) return;
  const hadFocus = element.contains(document.activeElement);
  element.replaceChildren(content);
  if (hadFocus) element.querySelector("a, button")?.focus();
}

/** Show a list of terms and descriptions: [[term, node or text], ...]. Rows stay where they are. */
export function describe(list, pairs) {
  pairs.forEach(([term, content], index) => {
    if (!list.children[index]) list.append(make("div", {}, make("dt"), make("dd")));
    const [name, value] = list.children[index].children;
    put(name, term);
    fill(value, content);
  });
  while (list.children.length > pairs.length) list.lastElementChild.remove();
}

/** A table whose rows are known by a key. Roles are spelled out, since on narrow screens rows are laid out as blocks. */
export class Table {
  /**
   * `columns`: [{name, title, kind, isHead}]: cells have the classes c-NAME and kind. `cells(item)` gives as many nodes or texts, and
   * `mark(item)` a class of the row. `empty` stands there instead of rows when there are none.
   */
  constructor(host, { caption, columns, key, cells, empty, mark }) {
    this.columns = columns;
    this.key = key;
    this.cells = cells;
    this.mark = mark ?? (() => "");
    this.rows = new Map();
    this.body = make("tbody", { role: "rowgroup" });
    const heads = columns.map(({ title, kind }) => make("th", { scope: "col", role: "columnheader", class: kind ?? "" }, title));
    this.empty = make("p", { class: "empty" }, empty);
    this.table = make(
      "table",
      { role: "table" },
      make("caption", { class: "unseen" }, caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
      this.body,
    );
    host.append(this.table, this.empty);
    this.show([]);
  }

  /** Say something else when there are no rows. */
  explain(text) {
    put(this.empty, text);
  }

  /** Show these items, in this order. */
  show(items) {
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    let place = this.body.firstElementChild;
    for (const item of items) {
      const key = this.key(item);
      let row = this.rows.get(key);
      if (!row) {
        row = this.#row();
        this.rows.set(key, row);
      }
      const mark = this.mark(item);
      if (row.className !== mark) row.className = mark;
      this.cells(item).forEach((content, index) => fill(row.children[index], content));
      if (row === place) place = place.nextElementSibling;
      else this.body.insertBefore(row, place);
    }
    this.table.hidden = items.length === 0;
    this.empty.hidden = items.length > 0;
  }

  #row() {
    const cell = ({ name, title, kind, isHead }) =>
      make(isHead ? "th" : "td", {
        role: isHead ? "rowheader" : "cell",
        scope: isHead ? "row" : null,
        class: `c-${name} ${kind ?? ""}`.trim(),
        "data-title": title,
      });
    return make("tr", { role: "row" }, ...this.columns.map(cell));
  }
}
