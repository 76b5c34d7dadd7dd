// Where a trial happens: progress, picture, choices. It is built once and shown in every trial.

import { element, fill } from "./dom.js";

const DIGITS = "1234567890";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const GRAIN = 24; // blocks of the noise mask along a side

export class Stage {
  constructor(survey) {
    const { words, categories, show } = survey;
    this.words = words;
    this.names = categories.map((name) => words.categories[name]);
    this.keys = [...(categories.length <= DIGITS.length ? DIGITS : LETTERS)];
    this.keys.length = categories.length;
    this.bar = element("div", { className: "fill" });
    this.count = element("p", { className: "count" });
    this.canvas = element("canvas", { role: "img", "aria-label": words.picture });
    this.canvas.style.setProperty("--side", `${show.size_px}px`);
    this.told = element("p", { className: "told", role: "status" });
    this.buttons = this.names.map((name, answer) =>
      element(
        "button",
        { type: "button", "aria-keyshortcuts": this.keys[answer] },
        element("kbd", { textContent: this.keys[answer].toUpperCase(), "aria-hidden": "true" }),
        element("span", { textContent: name }),
      ),
    );
    this.buttons.forEach((button, answer) => (button.dataset.answer = answer));
    this.progress = element(
      "div",
      { className: "bar", role: "progressbar", "aria-valuemin": "0" },
      this.bar,
    );
    const choices = { className: "choices", role: "group", "aria-label": words.choices };
    this.root = element(
      "div",
      { className: "trial" },
      this.progress,
      this.count,
      this.canvas,
      this.told,
      element("div", choices, ...this.buttons),
    );
    this.draw = () => {};
    window.addEventListener("resize", () => this.root.isConnected && this.paint(this.draw));
  }

  /** How far the participant is. */
  place(text, number, all) {
    this.count.textContent = fill(text, { number, all });
    this.progress.setAttribute("aria-label", this.count.textContent);
    this.progress.setAttribute("aria-valuenow", String(number - 1));
    this.progress.setAttribute("aria-valuemax", String(all));
    this.bar.style.width = `${(100 * (number - 1)) / all}%`;
  }

  /** Draws on the canvas, in the screen's own pixels. */
  paint(draw) {
    this.draw = draw;
    const side = Math.round(this.canvas.getBoundingClientRect().width * devicePixelRatio);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    draw(context, side);
  }

  clear() {
    this.paint(() => {});
  }

  cross() {
    this.paint((context, side) => {
      context.fillStyle = "#000";
      const [arm, width] = [side / 20, Math.max(2, side / 120)];
      context.fillRect(side / 2 - arm, side / 2 - width / 2, 2 * arm, width);
      context.fillRect(side / 2 - width / 2, side / 2 - arm, width, 2 * arm);
    });
  }

  picture(bitmap) {
    this.paint((context, side) => {
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, 0, 0, side, side);
    });
  }

  word(text) {
    this.paint((context, side) => {
      context.fillStyle = "#fff";
      context.fillRect(0, 0, side, side);
      context.fillStyle = "#000";
      context.textAlign = "center";
      context.textBaseline = "middle";
      let size = side / 6;
      do {
        size *= 0.95;
        context.font = `600 ${size}px system-ui, sans-serif`;
      } while (context.measureText(text).width > side * 0.9 && size > 8);
      context.fillText(text, side / 2, side / 2);
    });
  }

  mask() {
    const tone = Array.from({ length: 3 * GRAIN * GRAIN }, () => Math.floor(256 * Math.random()));
    this.paint((context, side) => {
      const block = side / GRAIN;
      for (let k = 0; k < GRAIN * GRAIN; k++) {
        context.fillStyle = `rgb(${tone[3 * k]} ${tone[3 * k + 1]} ${tone[3 * k + 2]})`;
        const [x, y] = [k % GRAIN, Math.floor(k / GRAIN)];
        context.fillRect(Math.floor(x * block), Math.floor(y * block), block + 1, block + 1);
      }
    });
  }

  /** Marks the right choice, and the wrong one that was taken; null for none. */
  mark(right, taken) {
    this.buttons.forEach((button, answer) => {
      button.classList.toggle("right", answer === right);
      button.classList.toggle("wrong", answer === taken && taken !== right);
    });
  }
}
