// Answers on their way: kept in the browser until the server has acknowledged each of them.

import { insist } from "./api.js";
import { random, recall, remember } from "./memory.js";

export class Queue {
  /**
   * @param name of what is kept in the browser
   * @param token of the session
   * @param fault is called with what the server refused
   */
  constructor(name, token, fault) {
    this.name = name;
    this.token = token;
    this.fault = fault;
    this.waiting = recall(name) ?? [];
    this.changed = () => {};
    this.sending = null;
    if (this.waiting.length) this.send();
  }

  /** Keeps it, then sends it. Each answer has its own key, so sending it twice is harmless. */
  add(path, body) {
    this.waiting.push({ path, body: "trial" in body ? { ...body, key: random(16) } : body });
    remember(this.name, this.waiting);
    this.send();
  }

  /** Trials whose answers wait. */
  trials() {
    return this.waiting.filter((one) => "trial" in one.body).map((one) => one.body.trial);
  }

  send() {
    this.sending ??= this.#sendAll().finally(() => {
      this.sending = null;
      if (this.waiting.length) this.send();
    });
    return this.sending;
  }

  async #sendAll() {
    while (this.waiting.length) {
      const { path, body } = this.waiting[0];
      try {
        await insist(path, { token: this.token, body });
      } catch (error) {
        this.fault(error);
        await new Promise(() => {}); // nothing that follows is sent, and nothing is dropped
      }
      this.waiting.shift();
      remember(this.name, this.waiting);
      this.changed();
    }
  }

  /** Until all is acknowledged; `tell` learns how many are left. */
  async empty(tell) {
    this.changed = () => tell(this.waiting.length);
    while (this.waiting.length) await this.send();
    this.changed = () => {};
  }
}
