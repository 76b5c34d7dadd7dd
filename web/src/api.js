// Requests to the server. A connection that fails is another matter than an answer that refuses.

const SECONDS = 30;

/** The server refused, and would refuse again. */
export class Refused extends Error {
  constructor(status, data) {
    super(data.reason ?? `status ${status}`);
    this.status = status;
    this.data = data;
  }
}

/** No answer, or one that says "later". */
export class Later extends Error {}

async function respond(path, token, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), SECONDS * 1000);
  try {
    const response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: stop.signal,
    });
    if (response.status >= 500 || response.status === 408 || response.status === 429)
      throw new Later(`status ${response.status}`);
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
    return response.headers.get("content-type") === "image/png"
      ? await response.blob()
      : await response.json();
  } catch (error) {
    if (error instanceof Refused || error instanceof Later) throw error;
    throw new Later(String(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Waits longer after each failure, but goes on at once when the connection is back. */
export function backoff(tries) {
  const milliseconds = Math.min(10_000, 500 * 2 ** tries) * (0.75 + Math.random() / 2);
  return new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds);
    function end() {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      resolve();
    }
    window.addEventListener("online", end);
  });
}

/** Asks until the server answers. `slow` is called after each failure. */
export async function insist(path, { token, body, slow = () => {} } = {}) {
  for (let tries = 0; ; tries++) {
    try {
      return await respond(path, token, body);
    } catch (error) {
      if (error instanceof Refused) throw error;
      slow();
      await backoff(tries);
    }
  }
}
