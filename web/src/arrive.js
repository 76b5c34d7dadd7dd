// What a participant comes with: ids, a single-use link, a screen.

const BROUGHT = ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "survey_code", "participant"];

/** The ids that came with the link. */
export function brought() {
  const query = new URLSearchParams(location.search);
  const found = BROUGHT.filter((name) => query.get(name));
  return Object.fromEntries(found.map((name) => [name, query.get(name).slice(0, 200)]));
}

/** The code of a single-use link, "" where there is none. */
export function linkCode() {
  return (new URLSearchParams(location.search).get("link") ?? "").slice(0, 200);
}

/** Frames a second, over a few of them; 0 where the page is not seen. */
function hertz(frames = 12) {
  return new Promise((resolve) => {
    const times = [];
    const timer = setTimeout(() => resolve(0), 1500);
    const note = (now) => {
      times.push(now);
      if (times.length <= frames) return requestAnimationFrame(note);
      clearTimeout(timer);
      resolve(Math.round((10_000 * frames) / (now - times[0])) / 10);
    };
    requestAnimationFrame(note);
  });
}

export async function screen() {
  return {
    width: Math.max(0, Math.round(innerWidth)),
    height: Math.max(0, Math.round(innerHeight)),
    ratio: devicePixelRatio,
    hertz: await hertz(),
    touch: matchMedia("(pointer: coarse)").matches,
  };
}

/** What the page says where a start or an answer is refused. */
export function refusal(words, reason) {
  const known = {
    full: [words.full_title, words.full],
    link: [words.gate_title, words.gate_link],
    id: [words.gate_title, words.gate_id],
  };
  return known[reason] ?? [words.fault_title, words.fault];
}
