// A trial as a jsPsych plugin: cross, picture, mask; the first choice ends it.

import { ParameterType } from "jspsych";
import { fill, pause } from "./dom.js";

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
let focused = null; // the button that a keyboard user stands on, over trials

export class ChoicePlugin {
  static info = {
    name: "invariscope-choice",
    version: "1.0.0",
    parameters: {
      stage: { type: ParameterType.OBJECT }, // see stage.js
      show: { type: ParameterType.OBJECT }, // the design's `show`
      trial: { type: ParameterType.INT }, // its place in the session's list
      bitmap: { type: ParameterType.OBJECT, default: null }, // null: the word is shown
      right: { type: ParameterType.INT, default: null }, // the right answer, where it is known
      feedback: { type: ParameterType.BOOL, default: false },
      place: { type: ParameterType.OBJECT }, // {text, number, all}
    },
    data: {
      trial: { type: ParameterType.INT },
      answer: { type: ParameterType.INT },
      rt_ms: { type: ParameterType.FLOAT },
      shown_ms: { type: ParameterType.FLOAT },
      by: { type: ParameterType.STRING },
    },
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  async trial(display, trial) {
    const { stage, show } = trial;
    display.append(stage.root);
    stage.place(trial.place.text, trial.place.number, trial.place.all);
    stage.mark(null, null);
    stage.told.textContent = "";
    if (focused !== null) stage.buttons[focused].focus({ preventScroll: true });
    if (show.fixation_ms) {
      stage.cross();
      await pause(show.fixation_ms);
    }
    const data = await this.ask(trial);
    if (trial.feedback) await this.tell(trial, data.answer);
    stage.clear();
    this.jsPsych.finishTrial({ trial: trial.trial, ...data });
  }

  /** Shows the picture and waits for a choice. */
  async ask({ stage, show, bitmap, right }) {
    if (bitmap) stage.picture(bitmap);
    else stage.word(stage.names[right]);
    const onset = await frame(); // the frame after the drawing: it is on the screen now
    const brief = bitmap !== null && show.presentation_ms > 0;
    let shown = null;
    let over = false;
    const hide = async () => {
      for (let now = onset; now - onset < show.presentation_ms - 8; ) now = await frame();
      if (over) return;
      if (show.mask === "noise") stage.mask();
      else stage.clear();
      shown = (await frame()) - onset;
      if (show.mask === "noise") {
        await pause(show.mask_ms);
        if (!over) stage.clear();
      }
    };
    if (brief) hide();
    const { answer, time, by } = await choice(stage);
    over = true;
    if (brief) stage.clear();
    return { answer, rt_ms: Math.max(0, time - onset), shown_ms: shown, by };
  }

  async tell({ stage, right, show }, answer) {
    stage.mark(right, answer);
    const text = answer === right ? stage.words.right : stage.words.wrong;
    stage.told.textContent = fill(text, { name: stage.names[right] });
    await pause(show.feedback_ms);
  }
}

/** The first choice: by its key, by a click or tap, or by Enter on a button. */
function choice(stage) {
  return new Promise((resolve) => {
    let pressed = null;
    const done = (answer, time, by) => {
      document.removeEventListener("keydown", onKey);
      stage.root.removeEventListener("pointerdown", onPress);
      stage.root.removeEventListener("click", onClick);
      resolve({ answer, time, by });
    };
    const onKey = (event) => {
      if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      const answer = stage.keys.indexOf(event.key.toLowerCase());
      if (answer < 0) return;
      event.preventDefault();
      done(answer, event.timeStamp, "key");
    };
    const onPress = (event) => {
      pressed = event;
    };
    const onClick = (event) => {
      const button = event.target.closest("button[data-answer]");
      if (!button) return;
      const answer = Number(button.dataset.answer);
      const byKey = event.detail === 0;
      focused = byKey ? answer : null;
      if (byKey) done(answer, event.timeStamp, "key");
      else {
        button.blur();
        const kind = pressed?.pointerType;
        const by = ["touch", "mouse", "pen"].includes(kind) ? kind : "mouse";
        done(answer, (pressed ?? event).timeStamp, by);
      }
    };
    document.addEventListener("keydown", onKey);
    stage.root.addEventListener("pointerdown", onPress);
    stage.root.addEventListener("click", onClick);
  });
}
