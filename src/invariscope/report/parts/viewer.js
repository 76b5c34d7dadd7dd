// Pictures open larger beside their reference: side by side, as a difference, or in turn.
const compare = (() => {
  const get = (id) => document.getElementById(id);
  const viewer = get("viewer"), thumbs = [...document.querySelectorAll(".thumb")];
  const canvas = get("v-canvas"), BLINK = 500, MOST = 8;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let at = 0, view = "side", timer = null, first = false, opener = null, listed = true;

  function stop() { clearInterval(timer); timer = null; }
  function pixels(image) {
    canvas.width = get("v-image").naturalWidth;
    canvas.height = get("v-image").naturalHeight;
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    return [paper, paper.getImageData(0, 0, canvas.width, canvas.height)];
  }
  function difference() {
    const [, other] = pixels(get("v-ref")), [paper, own] = pixels(get("v-image"));
    let most = 1;
    const colour = (k) => k % 4 < 3;
    own.data.forEach((value, k) => { if (colour(k)) most = Math.max(most, Math.abs(value - other.data[k])); });
    const gain = Math.min(255 / most, MOST);
    own.data.forEach((value, k) => { if (colour(k)) own.data[k] = 127.5 + gain * (value - other.data[k]) / 2; });
    paper.putImageData(own, 0, 0);
    get("v-one-name").textContent = `this image less ${get("v-ref-name").textContent}`;
    get("v-how").textContent = "Difference, colour by colour: middle grey where nothing changed, lighter for more and darker for less"
      + (gain > 1.05 ? `, made ${gain.toFixed(1)} times as strong.` : ".");
  }
  function swap() {
    first = !first;
    pixels(get(first ? "v-ref" : "v-image"));
    get("v-one-name").textContent = first ? get("v-ref-name").textContent : "this image";
  }
  function blink() {
    swap();
    get("v-how").textContent = still.matches ? "In turn: each press of the button swaps the two, since your system asks for less motion."
      : "In turn, twice a second; press the button again to stop.";
    if (!still.matches) timer = setInterval(swap, BLINK);
  }
  function look(wanted) {
    const going = timer !== null;
    stop();
    if (wanted === "blink" && view === "blink" && (going || still.matches)) {
      if (still.matches) swap();
      else get("v-how").textContent = "Stopped; press the button again to go on.";
      return;
    }
    view = wanted;
    get("v-side").hidden = view !== "side";
    get("v-one").hidden = view === "side";
    get("v-how").textContent = "";
    if (view === "difference") difference();
    if (view === "blink") blink();
    document.querySelectorAll("[data-view]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.view === view));
  }
  // The views need both pictures whole.
  const ready = (wanted) => Promise.all([get("v-ref").decode(), get("v-image").decode()]).then(() => look(wanted), () => look("side"));
  function fill(image, words, reference, name) {
    stop();
    get("v-image").src = image;
    get("v-image").alt = get("v-words").textContent = words;
    const kind = image.slice(image.indexOf("/") + 1, image.indexOf(";"));
    get("v-save").href = image;
    get("v-save").download = `${words.split(":")[0].replace(/[^\w.-]+/g, "-")}.${kind}`;
    get("v-ref-box").hidden = get("v-views").hidden = !reference;
    if (!reference) { look("side"); return; }
    get("v-ref").src = reference;
    get("v-ref-name").textContent = name;
    if (view === "side") look("side"); else ready(view);
  }
  function show(place) {
    at = (place + thumbs.length) % thumbs.length;
    const image = thumbs[at].querySelector("img"), reference = get(thumbs[at].dataset.ref);
    fill(image.src, image.alt, reference && reference.src, "the reference");
  }
  function open(from, many) {
    opener = from;
    listed = many;
    get("v-before").hidden = get("v-after").hidden = !many;
    viewer.showModal();
  }
  const visible = (step) => {  // thumbnails in closed parts are passed over
    let place = at;
    do place = (place + step + thumbs.length) % thumbs.length;
    while (place !== at && !thumbs[place].checkVisibility());
    show(place);
  };
  thumbs.forEach((thumb, place) => thumb.addEventListener("click", () => { show(place); open(thumb, true); }));
  document.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.view === "side") look("side"); else ready(button.dataset.view);
  }));
  get("v-before").addEventListener("click", () => visible(-1));
  get("v-after").addEventListener("click", () => visible(1));
  get("v-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (listed && event.key === "ArrowLeft") visible(-1);
    if (listed && event.key === "ArrowRight") visible(1);
  });
  viewer.addEventListener("close", () => {
    look("side");
    (listed ? thumbs[at] : opener).focus();
  });
  // A link to a unit opens its part; paper shows every part.
  const unfold = () => {
    const part = location.hash && document.querySelector(`#${CSS.escape(location.hash.slice(1))} > details`);
    if (part) part.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));
  return (from, image, words, reference, name) => {
    fill(image, words, reference, name);
    open(from, false);
  };
})();
