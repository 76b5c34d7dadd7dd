// A participant's way through the survey.

import { initJsPsych, ParameterType } from "jspsych";
import { insist, Refused } from "./api.js";
import { brought, linkCode, refusal, screen } from "./arrive.js";
import { ChoicePlugin } from "./choice.js";
import { element, fill } from "./dom.js";
import { random, recall, remember } from "./memory.js";
import * as pages from "./pages.js";
import { load } from "./pictures.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";

class RestPlugin {
  static info = {
    name: "invariscope-rest",
    version: "1.0.0",
    parameters: {
      title: { type: ParameterType.STRING },
      text: { type: ParameterType.STRING },
      go: { type: ParameterType.STRING },
    },
    data: {},
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  async trial(display, { title, text, go }) {
    const { card, heading, done } = await pages.rest(title, text, go);
    display.append(card);
    heading.focus();
    await done;
    this.jsPsych.finishTrial({});
  }
}

/** Only one tab goes on; another waits until it is closed. Old browsers rely on the server. */
function only(words, name) {
  if (!navigator.locks) return Promise.resolve();
  const forever = new Promise(() => {});
  return new Promise((resolve) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock) {
        resolve();
        return forever;
      }
      pages.note("tab", words.tab_title, words.tab);
      navigator.locks.request(name, () => {
        resolve();
        return forever;
      });
      return undefined;
    });
  });
}

/** The trials that are left, with pauses among them, as a jsPsych timeline. */
function timeline(survey, session, stage, pictures, done, answered) {
  const { words, categories, show } = survey;
  const first = session.trials.findIndex((one) => one.kind !== "practice");
  const practice = first < 0 ? session.trials.length : first;
  const all = session.trials.length - practice;
  const steps = [];
  session.trials.forEach((one, trial) => {
    if (done.has(trial)) return;
    const number = trial - practice;
    const rest = (title, text) =>
      steps.push({ type: RestPlugin, title, text, go: words.go_on });
    if (steps.length && number === 0) rest(words.practice_over_title, words.practice_over);
    else if (steps.length && number > 0 && survey.break_every && number % survey.break_every === 0)
      rest(words.break_title, fill(words.break, { done: number, all }));
    steps.push({
      type: ChoicePlugin,
      stage,
      show,
      trial,
      bitmap: pictures.get(trial) ?? null,
      right: one.category === null ? null : categories.indexOf(one.category),
      feedback: one.kind === "practice",
      place:
        number < 0
          ? { text: words.practice, number: trial + 1, all: practice }
          : { text: words.progress, number: number + 1, all },
      on_finish: answered,
    });
  });
  return { steps, practice, all };
}

async function take(survey, session, token, queue) {
  const stage = new Stage(survey);
  const done = new Set([...session.answered, ...queue.trials()]);
  const left = session.trials.map((one, trial) => trial).filter((trial) => !done.has(trial));
  const wanted = left.filter((trial) => session.trials[trial].image);
  const practice = session.trials.filter((one) => one.kind === "practice").length;
  const pictures = await pages.ready(
    survey,
    { practice, trials: session.trials.length - practice, done: done.size },
    wanted.length,
    (tell, slow) => load(wanted, token, tell, slow),
  );
  const main = document.getElementById("main");
  main.replaceChildren(element("div", { id: "trials" }));
  const jsPsych = initJsPsych({ display_element: "trials", use_webaudio: false });
  const answered = ({ trial, answer, rt_ms, shown_ms, by }) =>
    queue.add("api/answers", { trial, answer, rt_ms, shown_ms, by });
  await jsPsych.run(timeline(survey, session, stage, pictures, done, answered).steps);
  for (const bitmap of pictures.values()) bitmap.close();
  if (document.fullscreenElement) await document.exitFullscreen().catch(() => {});
}

async function run() {
  const survey = await insist("api/survey");
  const { words } = survey;
  const ids = brought();
  const link = linkCode();
  const name = `invariscope:${survey.id}:${JSON.stringify(link ? { ...ids, link } : ids)}`;
  const fault = (error) => {
    const [title, text] = refusal(words, error.message);
    pages.note("fault", title, fill(text, { reason: error.message }));
  };
  try {
    await only(words, name);
    let token = recall(name);
    if (!token) {
      await pages.consent(words, survey.minutes);
      token = random(32);
      remember(name, token);
    }
    const queue = new Queue(`${name}:queue`, token, fault);
    const body = { brought: ids, ...(link && { link }), screen: await screen() };
    const session = await insist("api/sessions", { token, body });
    const asked = session.asked || queue.waiting.some((one) => one.path === "api/about");
    if (survey.questions.length && !asked)
      queue.add("api/about", { answers: await pages.questions(words, survey.questions) });
    for (let all = session.trials.length; ; ) {
      if (new Set([...session.answered, ...queue.trials()]).size < all)
        await take(survey, session, token, queue);
      if (queue.waiting.length) await queue.empty(pages.sending(words, queue.waiting.length));
      try {
        pages.end(words, await insist("api/finish", { token, body: {} }));
        return;
      } catch (error) {
        if (!(error instanceof Refused) || !error.data.missing) throw error;
        const missing = new Set(error.data.missing); // the server has lost them: ask again
        session.answered = session.trials.map((_, k) => k).filter((k) => !missing.has(k));
      }
    }
  } catch (error) {
    fault(error);
    throw error;
  }
}

run();
