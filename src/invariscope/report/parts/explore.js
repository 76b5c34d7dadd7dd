// The explorable front: one search at a time, its images, and its generations.
(() => {
  const get = (id) => document.getElementById(id);
  if (!get("x-data")) return;
  const { units, runs } = JSON.parse(get("x-data").textContent);
  const X = 1, Y = 2, ACTIVITY = 3, DISTANCE = 4, MET = 5, IMAGE = 6;  // of `shown`
  const NAMES = { kept: "", knee: "knee", farthest: "farthest", nearest: "nearest" };
  const MEANING = {
    kept: "the image that the page shows of this search: it does what was searched for, on the scale of the unit's photos",
    knee: "where the front bends most: more distance begins to cost much activity",
    farthest: "the largest stretch",
    nearest: "the smallest stretch",
  };
  const plot = get("x-plot"), member = get("x-member"), generation = get("x-generation");
  const W = 560, H = 380, LEFT = 62, RIGHT = 14, TOP = 14, BOTTOM = 48;
  let run, at = 0, held = null, playing = null, xs, ys;

  const source = (image) => image[0] === "#" ? document.querySelector(image).src : image;
  const digits = (value, n = 3) => value === null ? "unknown" : String(Number(value.toPrecision(n)));
  const percent = (value) => value === null || !(run.reference > 0) ? "unknown"
    : `${Math.round(100 * value / run.reference)} %`;
  function draw(kind, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    plot.append(node);
    return node;
  }
  function axis(values, low, high) {
    const known = values.filter((v) => v !== null);
    let from = Math.min(...known), to = Math.max(...known);
    const margin = (to - from || Math.abs(to) || 1) * 0.06;
    from -= margin; to += margin;
    const place = (v) => low + (Math.min(Math.max(v, from), to) - from) / (to - from) * (high - low);
    const step = 10 ** Math.floor(Math.log10((to - from) / 2));
    const each = [1, 2, 5, 10].map((k) => k * step).find((k) => (to - from) / k <= 6);
    const ticks = [];
    for (let t = Math.ceil(from / each) * each; t <= to; t += each) ticks.push(Number(t.toPrecision(6)));
    return { place, ticks, from };
  }
  // The whole front fills the plot; while generations are stepped through, their middles fit too.
  function scale(early) {
    const middles = (k) => early ? run.steps.map((s) => s[k][1]).filter((v) => v !== undefined) : [];
    xs = axis([...run.line.map((p) => p[0]), ...middles(1)], LEFT, W - RIGHT);
    ys = axis([...run.line.map((p) => p[1]), ...middles(2)], H - BOTTOM, TOP);
  }
  const named = (name) => NAMES[name] || run.kept;
  // An axis of distances that begins beyond 0 says so, and where it ends.
  const span = (shown, values) => {
    const known = values.filter((v) => v !== null);
    return `${digits(Math.min(...known))} to ${digits(Math.max(...known))}${shown.from > 0 ? ", not from 0" : ""}`;
  };
  const point = (entry) => [xs.place(entry[0]), ys.place(entry[1])];
  const word = (task) => task === "invariance" ? "invariant" : "silencing";  // what was searched for

  function paint() {
    plot.replaceChildren();
    const last = run.generations, now = run.steps.length ? run.steps[generation.value][0] : last;
    const step = run.steps[generation.value];
    scale(now < last);
    draw("title", {}, `Front of ${word(run.task)} images at ${run.site}, seed ${run.seed}`);
    for (const t of xs.ticks) {
      draw("line", { x1: xs.place(t), x2: xs.place(t), y1: TOP, y2: H - BOTTOM, class: "grid" });
      draw("text", { x: xs.place(t), y: H - BOTTOM + 16, "text-anchor": "middle" }, t);
    }
    for (const t of ys.ticks) {
      draw("line", { x1: LEFT, x2: W - RIGHT, y1: ys.place(t), y2: ys.place(t), class: "grid" });
      draw("text", { x: LEFT - 6, y: ys.place(t) + 4, "text-anchor": "end" }, t);
    }
    draw("text", { x: (LEFT + W) / 2, y: H - 8, "text-anchor": "middle" },
      `stretch: distance at ${run.site}, ${span(xs, run.line.map((p) => p[0]))}`);
    draw("text", { transform: `translate(14 ${(TOP + H - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle" },
      `squeeze (of activity): ${span(ys, run.line.map((p) => p[1]))}`);
    if (step && now < last && step[1].length === 3 && step[2].length === 3) {
      const [x0, x1, x2] = step[1].map(xs.place), [y0, y1, y2] = step[2].map(ys.place);
      draw("rect", { x: x0, y: y2, width: Math.max(x2 - x0, 1), height: Math.max(y0 - y2, 1), class: "band" });
      draw("path", { d: `M${x1 - 5} ${y1}h10M${x1} ${y1 - 5}v10`, class: "cross" });
    }
    if (run.joined) draw("polyline", { points: run.line.map((p) => point(p).join(",")).join(" "), class: "line" });
    run.shown.forEach((entry, place) => {
      const [cx, cy] = point([entry[X], entry[Y]]), late = entry[MET] > now;
      const dot = draw("circle", { cx, cy, r: place === at ? 8 : 5,
        class: `dot ${run.task}${late ? " late" : ""}${place === at ? " here" : ""}` });
      dot.addEventListener("pointerover", () => choose(place));
      dot.addEventListener("click", () => choose(place));
    });
    if (held && held.run === run) {
      const [cx, cy] = point([held.entry[X], held.entry[Y]]);
      draw("circle", { cx, cy, r: 11, class: "held" });
    }
  }
  const facts = (entry) => `stretch ${digits(entry[X])} · squeeze ${digits(entry[Y])} · `
    + `keeps ${percent(entry[ACTIVITY])} · pixel distance ${digits(entry[DISTANCE])} · generation ${entry[MET]}`;
  function panes() {
    const entry = run.shown[at], left = held ? held.entry : null;
    get("x-right").src = source(entry[IMAGE]);
    get("x-right").alt = `${word(run.task)} image at ${run.site}, seed ${run.seed}: ${facts(entry)}`;
    const names = Object.keys(run.chosen).filter((name) => run.chosen[name] === at && named(name)).map(named);
    const name = names.length ? names.join(", ") : `image ${at + 1} of ${run.shown.length}`;
    const now = run.steps.length ? run.steps[generation.value][0] : run.generations;
    get("x-right-name").textContent = name + (entry[MET] > now ? " (met later)" : "");
    get("x-right-words").textContent = facts(entry);
    const reference = get(`ref-${run.group}`);
    get("x-left").src = left ? source(left[IMAGE]) : reference.src;
    get("x-left").alt = left ? `The image held for comparison: ${held.words}` : "The reference";
    get("x-left-name").textContent = left ? `held: ${held.name}` : "the reference";
    get("x-left-words").textContent = left ? held.words : `activity ${digits(run.reference)}`;
    let told = "";
    if (left && held.run === run) {
      const sign = (number) => (number >= 0 ? "+" : "−");
      const apart = [entry[DISTANCE], left[DISTANCE]].includes(null) ? "unknown"
        : sign(entry[DISTANCE] - left[DISTANCE]) + digits(Math.abs(entry[DISTANCE] - left[DISTANCE]));
      const more = entry[ACTIVITY] - left[ACTIVITY];
      const kept = 100 * more / run.reference;  // of a reference at or below 0 no share can be told
      told = `Right against left: pixel distance ${apart}, activity `
        + (run.reference > 0 ? `${sign(kept)}${Math.abs(kept).toFixed(0)} points of the reference's.`
          : `${sign(more)}${digits(Math.abs(more))}.`);
    }
    get("x-difference").textContent = told;
    get("x-back").disabled = !held;
    member.value = at;
    member.setAttribute("aria-valuetext", `image ${at + 1} of ${run.shown.length}: ${facts(entry)}`);
    document.querySelectorAll("[data-pick]").forEach((button) => {
      button.textContent = named(button.dataset.pick);
      button.hidden = !named(button.dataset.pick);
      button.disabled = !(button.dataset.pick in run.chosen);
      button.setAttribute("aria-pressed", run.chosen[button.dataset.pick] === at);
    });
  }
  function choose(place) {
    if (place === at && plot.querySelector(".here")) return;
    at = place;
    paint();
    panes();
  }
  function tell() {
    const step = run.steps[generation.value];
    let told = "This run kept no journal of its generations.";
    if (step) {
      const [number, , , activity, reached] = step;
      const seen = Math.min(number, Math.ceil(50 / run.population)) * run.population;
      const met = run.line.length ? run.shown.filter((entry) => entry[MET] <= number).length : 0;
      told = `Generation ${number} of ${run.generations}: activity of its ${run.population} images `
        + (activity.length === 3 ? `from ${digits(activity[0])} to ${digits(activity[2])}` : "unknown")
        + (reached === null ? "" : `, ${reached} of the last ${seen} beyond the bound of the stopping rule`)
        + `; ${met} of the ${run.shown.length} images shown had been met.`
        + (number < run.generations ? " The box is the range of this generation's images, the cross its middle." : "");
    }
    get("x-now").textContent = told;
    generation.setAttribute("aria-valuetext", told);
  }
  function time() {
    const step = run.steps[generation.value];
    const met = run.shown.map((entry, place) => [entry[MET], place]).filter((pair) => step && pair[0] <= step[0]);
    if (step && step[0] < run.generations && met.length) at = met.reduce((a, b) => b[0] >= a[0] ? b : a)[1];
    tell();
    paint();
    panes();
  }
  function stop() {
    clearInterval(playing);
    playing = null;
    get("x-play").textContent = "Play the generations";
  }
  function load(place) {
    stop();
    run = runs[place];
    at = run.chosen.kept ?? run.chosen.knee ?? 0;
    if (held && held.run.group !== run.group) held = null;
    member.max = run.shown.length - 1;
    generation.max = Math.max(run.steps.length - 1, 0);
    generation.value = generation.max;
    generation.disabled = get("x-play").disabled = !run.steps.length;
    tell();
    paint();
    panes();
  }
  function offer() {
    const unit = Number(get("x-unit").value);
    get("x-run").replaceChildren();
    runs.forEach((entry, place) => {
      if (entry.group !== unit) return;
      const words = `${entry.task === "invariance" ? "accepted" : "silencing"}, ${entry.site}, seed ${entry.seed}`;
      get("x-run").append(new Option(words, place));
    });
    load(Number(get("x-run").value));
  }
  units.forEach((unit) => get("x-unit").append(new Option(`${unit.name} · ${unit.subject}`, unit.number)));
  for (const [name, words] of Object.entries(NAMES)) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.pick = name;
    button.textContent = words;  // of `kept`, with each search
    button.title = MEANING[name];
    button.addEventListener("click", () => choose(run.chosen[name]));
    document.querySelector(".picks").append(button);
  }
  get("x-unit").addEventListener("change", offer);
  get("x-run").addEventListener("change", () => load(Number(get("x-run").value)));
  member.addEventListener("input", () => choose(Number(member.value)));
  generation.addEventListener("input", () => { stop(); time(); });
  get("x-hold").addEventListener("click", () => {
    const entry = run.shown[at];
    held = { run, entry, words: facts(entry), name: `${run.site}, seed ${run.seed}` };
    paint();
    panes();
  });
  get("x-compare").addEventListener("click", (event) => compare(event.currentTarget, get("x-right").src,
    get("x-right").alt, get("x-left").src, held ? "the held image" : "the reference"));
  // A figure of its own keeps the colours and sizes that the page's style gives.
  function standalone() {
    const copy = plot.cloneNode(true), KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity"];
    const [from, to] = [plot, copy].map((node) => [...node.querySelectorAll("*")]);
    from.forEach((node, k) => {
      const style = getComputedStyle(node);
      KEPT.forEach((name) => to[k].setAttribute(name, style.getPropertyValue(name)));
      to[k].removeAttribute("class");
    });
    const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ width: W, height: H, fill: getComputedStyle(plot).backgroundColor })) paper.setAttribute(name, value);
    copy.prepend(paper);
    for (const [name, value] of Object.entries({ width: W, height: H, "font-family": "sans-serif", "font-size": 13 })) copy.setAttribute(name, value);
    return new XMLSerializer().serializeToString(copy);
  }
  saving(get("x-save"), () => ({ name: run ? `front-${run.task}-${run.site}-seed-${run.seed}` : "front of the chosen search",
    address: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standalone())}`, width: W, height: H }));
  get("x-back").addEventListener("click", () => { held = null; paint(); panes(); });
  get("x-play").addEventListener("click", () => {
    if (playing) { stop(); return; }
    if (generation.value === generation.max) generation.value = 0;
    get("x-play").textContent = "Pause";
    time();
    playing = setInterval(() => {
      if (generation.value === generation.max) { stop(); return; }
      generation.value = Number(generation.value) + 1;
      time();
    }, 150);
  });
  get("x").hidden = false;
  offer();
})();
