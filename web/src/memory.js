// What the browser keeps over a reload: the session's token, and answers on their way.

const spare = new Map(); // where storage is forbidden, for as long as the page lives

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return spare.get(name) ?? null;
  }
}

export function remember(name, value) {
  spare.set(name, value);
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // full or forbidden: `spare` has it
  }
}

/** So many random bytes in hexadecimal digits; there on pages without encryption too. */
export function random(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
