// How a survey goes.

import { element } from "./dom.js";
import { counts, interval, percent, table } from "./figures.js";

export const title = "Survey";
const minutes = (value) => (value === null ? "–" : `${value} min`);

export function contents(data) {
  return [
    counts([
      ["begun", String(data.begun)],
      ["active now", String(data.active)],
      ["complete", String(data.ended)],
      ["answers", String(data.answers)],
      ["time taken", minutes(data.minutes)],
      ["time left", minutes(data.minutes_left)],
    ]),
    data.accuracy.length ? accuracy(data) : element("p", { textContent: "No answers yet." }),
  ];
}

function accuracy({ accuracy: rows, chance }) {
  return table(
    "Accuracy",
    `Answers so far; nobody is left out yet. Chance: ${percent(chance)}. Intervals are Wilson's ` +
      "and take answers as independent; the export's are over participants.",
    3,
    ["condition", "site", "network", "answers", "right", "95 % interval"],
    rows.map((row) => [
      row.condition,
      row.site,
      row.network,
      String(row.answers),
      percent(row.right),
      interval(row),
    ]),
  );
}
