"use strict";
// Thumbnails open larger beside their reference; arrow keys go on, Esc closes.
(() => {
  const get = (id) => document.getElementById(id);
  const viewer = get("viewer"), thumbs = [...document.querySelectorAll(".thumb")];
  let at = 0;
  function show(place) {
    at = (place + thumbs.length) % thumbs.length;
    const image = thumbs[at].querySelector("img"), reference = get(thumbs[at].dataset.ref);
    get("v-image").src = image.src;
    get("v-image").alt = image.alt;
    get("v-words").textContent = image.alt;
    get("v-ref-box").hidden = !reference;
    if (reference) get("v-ref").src = reference.src;
  }
  const visible = (step) => {  // thumbnails in closed parts are passed over
    let place = at;
    do place = (place + step + thumbs.length) % thumbs.length;
    while (place !== at && !thumbs[place].checkVisibility());
    show(place);
  };
  thumbs.forEach((thumb, place) => thumb.addEventListener("click", () => {
    show(place);
    viewer.showModal();
  }));
  get("v-before").addEventListener("click", () => visible(-1));
  get("v-after").addEventListener("click", () => visible(1));
  get("v-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") visible(-1);
    if (event.key === "ArrowRight") visible(1);
  });
  viewer.addEventListener("close", () => thumbs[at].focus());
  // A link to a unit opens its part; paper shows every part.
  const open = () => {
    const part = location.hash && document.querySelector(`#${CSS.escape(location.hash.slice(1))} > details`);
    if (part) part.open = true;
  };
  addEventListener("hashchange", open);
  open();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));
})();
