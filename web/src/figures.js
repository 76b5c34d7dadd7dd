// Counts, shares and tables of the experimenter's page.

import { element } from "./dom.js";

export const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(0)} %`);
export const interval = ({ low, high }) => `${(100 * low).toFixed(0)}–${percent(high)}`;

/** Pairs of a name and a value. */
export function counts(pairs) {
  const parts = pairs.map(([name, value]) =>
    element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })),
  );
  return element("dl", { className: "counts" }, ...parts);
}

/** A paragraph and its table, which scrolls by itself where the screen is narrow; a cell is a text
 * or an element, and numbers follow the first `texts` columns. */
export function table(name, caption, texts, head, rows) {
  const line = (tag, cells, given) =>
    element(
      "tr",
      {},
      ...cells.map((cell, k) =>
        element(tag, { ...given, className: k < texts ? "" : "number" }, cell),
      ),
    );
  const whole = element(
    "table",
    { "aria-label": name },
    element("thead", {}, line("th", head, { scope: "col" })),
    element("tbody", {}, ...rows.map((row) => line("td", row, {}))),
  );
  const region = { className: "wide", tabIndex: 0, role: "region", "aria-label": name };
  return element(
    "div",
    {},
    element("p", { className: "quiet small", textContent: caption }),
    element("div", region, whole),
  );
}
