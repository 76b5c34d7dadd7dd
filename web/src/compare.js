// Pairs of pictures, same or different, as long as the search asks for them.

import { insist } from "./api.js";
import { brought, linkCode, refusal, screen } from "./arrive.js";
import { element, fill, paragraphs, pause, show } from "./dom.js";
import { random, recall, remember } from "./memory.js";
import * as pages from "./pages.js";

const KEYS = ["1", "2"]; // same, different
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Both pictures of a trial, decoded. */
async function pair(trial, token) {
  const load = async (side) => createImageBitmap(await insist(`api/images/${trial}/${side}`, { token }));
  return Promise.all([load(0), load(1)]);
}

class Pair {
  constructor({ words, show: settings }) {
    this.settings = settings;
    this.words = words;
    this.count = element("p", { className: "count" });
    this.canvases = [0, 1].map(() => element("canvas", {}));
    this.canvases.forEach((one) => one.style.setProperty("--side", `${settings.size_px}px`));
    this.buttons = [words.same, words.different].map((name, answer) =>
      element(
        "button",
        { type: "button", "aria-keyshortcuts": KEYS[answer] },
        element("kbd", { textContent: KEYS[answer], "aria-hidden": "true" }),
        element("span", { textContent: name }),
      ),
    );
    this.buttons.forEach((button, answer) => (button.dataset.answer = answer));
    const both = { className: "pair", role: "img", "aria-label": words.picture };
    const choices = { className: "choices", role: "group", "aria-label": words.question };
    this.root = element(
      "div",
      { className: "trial" },
      this.count,
      element("div", both, ...this.canvases),
      element("div", choices, ...this.buttons),
    );
  }

  paint(draw) {
    this.canvases.forEach((canvas, side) => {
      const pixels = Math.round(canvas.getBoundingClientRect().width * devicePixelRatio);
      if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, pixels, pixels);
      draw(context, pixels, side);
    });
  }

  clear() {
    this.paint(() => {});
  }

  async ask(bitmaps, number) {
    this.count.textContent = fill(this.words.progress, { number });
    this.root.setAttribute("aria-busy", "true"); // until both pictures are on the screen and an answer counts
    document.getElementById("main").replaceChildren(this.root);
    this.clear();
    await pause(this.settings.fixation_ms);
    this.paint((context, pixels, side) => {
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmaps[side], 0, 0, pixels, pixels);
    });
    const onset = await frame(); // the frame after the drawing: both are on the screen now
    let shown = null;
    let over = false;
    const hide = async () => {
      let now = onset;
      while (now - onset < this.settings.presentation_ms - 8) now = await frame();
      if (over) return;
      this.clear();
      shown = (await frame()) - onset;
    };
    if (this.settings.presentation_ms) hide();
    const chosen = this.choice();
    this.root.setAttribute("aria-busy", "false");
    const { answer, time, by } = await chosen;
    this.root.setAttribute("aria-busy", "true");
    over = true;
    return { answer, rt_ms: Math.max(0, time - onset), shown_ms: shown, by };
  }

  choice() {
    return new Promise((resolve) => {
      let pressed = null;
      const done = (answer, time, by) => {
        document.removeEventListener("keydown", onKey);
        this.root.removeEventListener("pointerdown", onPress);
        this.root.removeEventListener("click", onClick);
        resolve({ answer, time, by });
      };
      const onKey = (event) => {
        if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
        const answer = KEYS.indexOf(event.key);
        if (answer >= 0) done(answer, event.timeStamp, "key");
      };
      const onPress = (event) => (pressed = event);
      const onClick = (event) => {
        const button = event.target.closest("button[data-answer]");
        if (!button) return;
        if (event.detail === 0) return done(Number(button.dataset.answer), event.timeStamp, "key");
        const kind = pressed?.pointerType;
        const by = ["touch", "mouse", "pen"].includes(kind) ? kind : "mouse";
        done(Number(button.dataset.answer), (pressed ?? event).timeStamp, by);
      };
      document.addEventListener("keydown", onKey);
      this.root.addEventListener("pointerdown", onPress);
      this.root.addEventListener("click", onClick);
    });
  }
}

async function instructions(words) {
  const button = element("button", { type: "button", className: "go", textContent: words.start });
  show("instructions", words.instructions_title, ...paragraphs(words.instructions), button);
  await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}

async function run() {
  const survey = await insist("api/survey");
  const { words } = survey;
  const [ids, link] = [brought(), linkCode()];
  const name = `invariscope:${survey.id}:${JSON.stringify({ ...ids, link })}`;
  try {
    let token = recall(name);
    if (!token) {
      const form = { ...words, consent: words.consent.map((t) => fill(t, { trials: survey.trials })) };
      await pages.consent(form, 0);
      token = random(32);
      remember(name, token);
    }
    const body = { brought: ids, ...(link && { link }), screen: await screen() };
    const { answered } = await insist("api/sessions", { token, body });
    await instructions(words);
    const stage = new Pair(survey);
    for (let number = answered + 1; ; ) {
      const next = await insist("api/next", { token, body: {} });
      if (next.done) return pages.end(words, next);
      if (next.wait) {
        if (!document.getElementById("wait")) pages.note("wait", words.wait_title, words.wait);
        await pause(1000 * next.wait);
        continue;
      }
      const bitmaps = await pair(next.trial, token);
      const given = await stage.ask(bitmaps, number);
      const answer = { trial: next.trial, key: random(16), ...given };
      await insist("api/answers", { token, body: answer });
      bitmaps.forEach((one) => one.close());
      number += 1;
    }
  } catch (error) {
    const [title, text] = refusal(words, error.message);
    pages.note("fault", title, fill(text, { reason: error.message }));
    throw error;
  }
}

run();
