// Elements, and texts with places to fill.

/** An element with properties, attributes (`role`, `aria-…`, `for`) and children. */
export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** `{name}` in a text replaced by `values.name`. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Shows nothing but this page; its heading gets the focus, so that a screen reader reads it. */
export function show(name, heading, ...children) {
  const title = element("h1", { tabIndex: -1, textContent: heading });
  const card = element("section", { className: "card", id: name }, title, ...children);
  document.getElementById("main").replaceChildren(card);
  window.scrollTo(0, 0);
  title.focus({ preventScroll: true });
  return card;
}

export function paragraphs(texts, values = {}) {
  return texts.map((text) => element("p", { textContent: fill(text, values) }));
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
