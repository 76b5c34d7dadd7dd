// The experimenter's page: the token stays in this tab and travels in a header.

import { insist } from "./api.js";
import { element, pause, show } from "./dom.js";
import * as search from "./live_search.js";
import * as survey from "./live_survey.js";

const EVERY = 3000;

function ask(message) {
  const field = element("input", { id: "token", type: "password", autocomplete: "off" });
  const label = element("label", { for: "token" }, "The token");
  const button = element("button", { type: "submit", className: "go", textContent: "Open" });
  const told = element("p", { role: "status", textContent: message });
  const form = element("form", {}, element("p", {}, label, field), told, button);
  show("ask", "Live", form);
  field.focus();
  return new Promise((resolve) =>
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(field.value.trim());
    }),
  );
}

function tell(data, token, stale) {
  const kind = data.front ? search : survey;
  // What is there is replaced in place: who reads on keeps the place and the focus.
  const card = document.getElementById("live") ?? show("live", kind.title);
  document.title = `${kind.title} (live)`;
  card.replaceChildren(
    card.querySelector("h1"),
    element("p", { role: "status", textContent: stale ? "No connection; trying again." : "" }),
    ...kind.contents(data, token),
    ...data.notes.map((text) => element("p", { className: "notice", textContent: text })),
  );
}

async function run() {
  let data = null;
  let token = sessionStorage.getItem("token") || (await ask(""));
  for (;;) {
    try {
      data = await insist("api/live", { token, slow: () => data && tell(data, token, true) });
      sessionStorage.setItem("token", token);
      tell(data, token, false);
      await pause(EVERY);
    } catch (error) {
      sessionStorage.removeItem("token");
      token = await ask(error.message);
    }
  }
}

run();
