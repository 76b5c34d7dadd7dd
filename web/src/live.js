// The experimenter's page: the token stays in this tab and travels in a header.

import { insist } from "./api.js";
import { element, pause, show } from "./dom.js";

const EVERY = 3000;

function ask(message) {
  const field = element("input", { id: "token", type: "password", autocomplete: "off" });
  const label = element("label", { for: "token" }, "The survey's token");
  const button = element("button", { type: "submit", className: "go", textContent: "Open" });
  const told = element("p", { role: "status", textContent: message });
  const form = element("form", {}, element("p", {}, label, field), told, button);
  show("ask", "Survey: live", form);
  field.focus();
  return new Promise((resolve) =>
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(field.value.trim());
    }),
  );
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

function table(rows, chance) {
  const head = ["condition", "site", "network", "answers", "right", "95 % interval"];
  const line = (tag, cells) =>
    element("tr", {}, ...cells.map((cell) => element(tag, { textContent: cell })));
  return element(
    "table",
    {},
    element("caption", {
      textContent:
        `Answers so far; nobody is left out yet. Chance: ${percent(chance)}. Intervals are Wilson's ` +
        "and take answers as independent; the export's are over participants.",
    }),
    element("thead", {}, line("th", head)),
    element(
      "tbody",
      {},
      ...rows.map((row) =>
        line("td", [
          row.condition,
          row.site,
          row.network,
          String(row.answers),
          percent(row.right),
          `${percent(row.low)} to ${percent(row.high)}`,
        ]),
      ),
    ),
  );
}

function tell(data, stale) {
  const count = (name, value) =>
    element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }));
  const minutes = (value) => (value === null ? "–" : `${value} min`);
  show(
    "live",
    "Survey: live",
    element("p", { role: "status", textContent: stale ? "No connection; trying again." : "" }),
    element(
      "dl",
      { className: "counts" },
      count("begun", String(data.begun)),
      count("active now", String(data.active)),
      count("complete", String(data.ended)),
      count("answers", String(data.answers)),
      count("time taken", minutes(data.minutes)),
      count("time left", minutes(data.minutes_left)),
    ),
    ...data.notes.map((text) => element("p", { className: "notice", textContent: text })),
    data.accuracy.length ? table(data.accuracy, data.chance) : element("p", { textContent: "No answers yet." }),
  );
}

async function run() {
  let data = null;
  let token = sessionStorage.getItem("token") || (await ask(""));
  for (;;) {
    try {
      data = await insist("api/live", { token, slow: () => data && tell(data, true) });
      sessionStorage.setItem("token", token);
      tell(data, false);
      await pause(EVERY);
    } catch (error) {
      sessionStorage.removeItem("token");
      token = await ask(error.message);
    }
  }
}

run();
