// Who: digests, drawn so that a person is recognised in all rows, by shape as well as by colour.
import { drawing, make } from "./dom.js";
import { NOTHING } from "./format.js";

const HUES = 8;
const CELLS = 5;
const SHOWN_CHARS = 6;

/** A person by digest. Empty: nobody said who they are. `absent` is what stands there then. */
export function person(digest, absent = "nobody named") {
  if (!digest) return make("span", { class: "nobody" }, absent || NOTHING);
  return make("span", { class: "person", title: digest }, face(digest), make("code", {}, digest.slice(0, SHOWN_CHARS)));
}

/** The same as a button that chooses a person. */
export function personButton(digest, absent) {
  if (!digest) return person(digest, absent);
  const shown = person(digest);
  return make("button", { type: "button", class: "plain", "data-person": digest, "aria-label": `Only events of ${digest.slice(0, SHOWN_CHARS)}` }, shown);
}

/** A pattern, the same on both sides, drawn from the bits of a digest. */
function face(digest) {
  const bits = [...digest].map((character) => Number.parseInt(character, 16) || 0);
  let path = "";
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < 3; column += 1) {
      if (bits[(row * 3 + column) % bits.length] % 2) continue;
      for (const x of new Set([column, CELLS - 1 - column])) path += `M${x} ${row}h1v1h-1z`;
    }
  }
  const hue = bits.reduce((total, bit, index) => (total * 31 + bit * (index + 1)) % 9973, 7) % HUES;
  return drawing("-0.75 -0.75 6.5 6.5", path || "M2 2h1v1h-1z", `face hue-${hue}`);
}
