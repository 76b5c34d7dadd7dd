// All pictures of a session, fetched and decoded before the first trial.

import { insist } from "./api.js";

const AT_ONCE = 4;

/**
 * @param trials places in the session's list whose pictures are wanted
 * @param tell is called with how many are there
 * @param slow is called when a connection fails
 * @returns a map from the place to a decoded picture
 */
export async function load(trials, token, tell, slow) {
  const pictures = new Map();
  const wanted = [...trials];
  async function work() {
    for (let trial = wanted.shift(); trial !== undefined; trial = wanted.shift()) {
      const blob = await insist(`api/images/${trial}`, { token, slow });
      pictures.set(trial, await createImageBitmap(blob));
      tell(pictures.size);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return pictures;
}
