// A participant in Firefox, driven by WebDriver BiDi: node firefox.mjs URL KIND FOLDER
// KIND is laptop (keyboard, reduced motion) or phone (touch). Prints what was seen as JSON.
import puppeteer from "puppeteer-core";

const [url, kind, folder] = process.argv.slice(2);
const phone = kind === "phone";
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
  headless: true,
  extraPrefsFirefox: {
    "ui.prefersReducedMotion": 1,
    // Full screen would undo the phone's size.
    ...(phone && {
      "full-screen-api.enabled": false, "dom.w3c_touch_events.enabled": 1, "ui.primaryPointerCapabilities": 1 }),
  },
});
const complaints = [];
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.setViewport(phone ? { width: 390, height: 844 } : { width: 1280, height: 800 });
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  const press = async (selector, key) => {
    await page.waitForSelector(selector);
    if (phone) return page.tap(selector);
    await page.focus(selector);
    return page.keyboard.press(key ?? "Enter");
  };
  await press("#agree", " ");
  await press(".go:enabled");
  await page.waitForSelector("#questions");
  await press(".go");
  await page.waitForSelector("#instructions .go:enabled");
  await press("#instructions .go");
  const moving = await page.evaluate(
    () => matchMedia("(prefers-reduced-motion: reduce)").matches &&
      document.getAnimations().some((one) => one.playState === "running"),
  );
  let wide = 0;
  let pictures = 0;
  for (let tries = 0; tries < 400; tries++) {
    const state = await page.evaluate(() => ({
      ended: document.getElementById("end") !== null,
      sending: document.getElementById("sending") !== null,
      rest: document.querySelector("#trials .card") !== null,
      count: document.querySelector(".count")?.innerText ?? "",
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }));
    if (state.ended) break;
    wide = Math.max(wide, state.wide);
    if (state.rest) await press("#trials .card .go");
    else if (state.count && !state.sending) {
      if (!pictures++) await page.screenshot({ path: `${folder}/${kind}.png` });
      if (phone) await page.tap("[data-answer='0']").catch(() => {});
      else await page.keyboard.press("1");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const ended = (await page.$("#code")) !== null;
  const code = ended ? await page.$eval("#code", (one) => one.innerText) : "";
  const width = await page.evaluate(() => innerWidth);
  console.log(JSON.stringify({ width, ended, code, wide, moving, complaints }));
} finally {
  await browser.close();
}
