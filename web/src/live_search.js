// How a search that asks people goes.

import { insist } from "./api.js";
import { element } from "./dom.js";
import { counts, interval, percent, table } from "./figures.js";

export const title = "Search with people";
const KINDS = {
  same: "two equal images (chance level)",
  differs: "reference and candidate",
  catch: "catch trials",
};
const pictures = new Map(); // the canvas of each member, kept from one look to the next

function stage(data) {
  if (data.phase === "same") return "equal pairs";
  if (data.phase === "held back") return "front again";
  return data.phase === "done" ? "done" : `generation ${data.generation + 1}`;
}

export function contents(data, token) {
  const { people } = data;
  return [
    counts([
      ["begun", String(people.begun)],
      ["active now", String(people.active)],
      ["left", String(people.ended)],
      ["not counted", String(data.left_out)],
      ["judgements", `${data.judgements} of ${data.budget}`],
      ["now", stage(data)],
      ["of it judged", data.phase === "done" ? "–" : `${data.given} of ${data.wanted}`],
    ]),
    element("progress", {
      max: data.budget,
      value: Math.min(data.judgements, data.budget),
      "aria-label": "judgements of the budget",
    }),
    answers(data),
    data.front.length ? front(data, token) : element("p", { textContent: "No front yet." }),
  ];
}

function answers({ answers: rows }) {
  return table(
    "Answers",
    "How often people said “different”. Whoever misses a third of the catch trials does not " +
      "count, and what they judged is asked again; their catch trials are in the last line. " +
      "Intervals are Wilson's and take answers as independent.",
    1,
    ["pair", "answers", "“different”", "95 % interval"],
    rows.map((row) => [KINDS[row.kind], String(row.judged), percent(row.share), interval(row)]),
  );
}

function front(data, token) {
  const again = ["held back", "done"].includes(data.phase);
  const judged = again
    ? "Judgements that had no part in the choice."
    : "Judgements by which each was chosen, so lucky ones look better than they are.";
  const shown = data.front.length < data.members ? `${data.front.length} of ` : "";
  // The reference beside itself: what an image is that nobody can tell from it.
  const same = { ...data.answers[0], generation: 0, candidate: 0, distance: 0, difference: 0 };
  return table(
    "Front so far",
    `The front so far, ${shown}${data.members} images, by distance at ${data.site}, below the ` +
      `reference. ${judged} Nobody can tell an image where “different” is as frequent as of two ` +
      "equal ones (the first line).",
    1,
    ["image", "distance", "difference", "answers", "“different”", "95 % interval"],
    [same, ...data.front].map((row) => [
      picture(row, token),
      row.distance ? row.distance.toPrecision(3) : "0",
      row.difference.toFixed(2),
      String(row.judged),
      percent(row.share),
      interval(row),
    ]),
  );
}

function picture({ generation, candidate }, token) {
  const name = `${generation}/${candidate}`;
  if (!pictures.has(name)) {
    const label = generation ? `generation ${generation}, image ${candidate + 1}` : "reference";
    const canvas = element("canvas", { role: "img", "aria-label": label, title: label });
    pictures.set(name, canvas);
    fetched(name, token, canvas);
  }
  return pictures.get(name);
}

async function fetched(name, token, canvas) {
  try {
    const bitmap = await createImageBitmap(await insist(`api/live/${name}`, { token }));
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  } catch {
    pictures.delete(name); // it left the front meanwhile
  }
}
