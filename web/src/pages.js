// The pages around the trials; each resolves when the participant goes on.

import { element, fill, paragraphs, show } from "./dom.js";

function pressed(button) {
  return new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}

function go(text) {
  return element("button", { type: "button", className: "go", textContent: text });
}

export async function consent(words, minutes) {
  const box = element("input", { type: "checkbox", id: "agree" });
  const label = element("label", { for: "agree", className: "check" }, box, words.consent_check);
  const button = go(words.consent_go);
  button.disabled = true;
  box.addEventListener("change", () => (button.disabled = !box.checked));
  show("consent", words.consent_title, ...paragraphs(words.consent, { minutes }), label, button);
  await pressed(button);
}

/** Answers by the question's name; what was left open is not there. */
export async function questions(words, names) {
  const fields = names.map((name) => {
    const asked = words.questions[name];
    const id = `question-${name}`;
    const field =
      asked.kind === "choice"
        ? element(
            "select",
            { id },
            element("option", { value: "", textContent: "" }),
            ...asked.choices.map((choice) => element("option", { value: choice }, choice)),
          )
        : element("input", {
            id,
            type: asked.kind === "number" ? "number" : "text",
            maxLength: 200,
            inputMode: asked.kind === "number" ? "numeric" : "text",
            autocomplete: "off",
          });
    return { name, field, row: element("p", {}, element("label", { for: id }, asked.label), field) };
  });
  const button = go(words.go_on);
  const intro = element("p", { textContent: words.questions_text });
  show("questions", words.questions_title, intro, ...fields.map((one) => one.row), button);
  await pressed(button);
  return Object.fromEntries(
    fields.filter(({ field }) => field.value).map(({ name, field }) => [name, field.value]),
  );
}

/** Instructions, or a welcome back, while pictures load; Start waits for them. */
export async function ready({ words, show: settings }, { practice, trials, done }, all, loading) {
  const texts = practice ? words.instructions : words.instructions_no_practice;
  const body = done
    ? [element("p", { textContent: fill(words.back, { done }) })]
    : paragraphs(texts, { trials });
  if (settings.presentation_ms && !done)
    body.push(...paragraphs([words.instructions_brief], { ms: settings.presentation_ms }));
  const told = element("p", { className: "quiet", role: "status" });
  const meter = element("progress", { max: Math.max(1, all), value: 0, "aria-label": "" });
  const button = go(words.start);
  button.disabled = true;
  const title = done ? words.back_title : words.instructions_title;
  show("instructions", title, ...body, meter, told, button);
  const tell = (loaded) => {
    meter.value = loaded;
    told.textContent = fill(words.loading, { done: loaded, all });
    meter.setAttribute("aria-label", told.textContent);
  };
  tell(0);
  const pictures = await loading(tell, () => (told.textContent = words.loading_slow));
  tell(all);
  button.disabled = false;
  await pressed(button);
  if (settings.full_screen)
    await document.documentElement.requestFullscreen?.().catch(() => {}); // phones may not
  return pictures;
}

export async function rest(title, text, goOn) {
  const button = go(goOn);
  const heading = element("h1", { tabIndex: -1, textContent: title });
  const card = element("section", { className: "card" }, heading);
  card.append(element("p", { textContent: text }), button);
  return { card, heading, done: pressed(button) };
}

export function sending(words, left) {
  const told = element("p", { role: "status" });
  const tell = (number) => (told.textContent = fill(words.sending, { left: number }));
  tell(left);
  show("sending", words.sending_title, told);
  return tell;
}

export function end(words, { code, link }) {
  const parts = paragraphs([words.end]);
  if (code) {
    parts.push(element("p", { textContent: words.code }));
    parts.push(element("p", { className: "code", id: "code", textContent: code }));
  }
  if (link) parts.push(element("p", {}, element("a", { href: link, className: "go" }, words.link)));
  show("end", words.end_title, ...parts);
}

export function note(name, title, text) {
  show(name, title, element("p", { textContent: text }));
}
