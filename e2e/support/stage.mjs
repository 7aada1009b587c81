// What every test file stands on: a world, a browser, and scenes that leave a picture and a log in out/.

import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { OUT } from "./out.mjs";
import { startWorld } from "./world.mjs";

/** Of so many tabs pictures are kept. */
const PICTURES = 3;

/**
 * Starts a world and a browser before the tests of a file, and ends them after.
 *
 * @param {{ settings?: Record<string, string> | (() => Promise<Record<string, string>>), isBetween?: boolean, browser?: Parameters<typeof startBrowser>[0] }} [options]
 */
export function stage({ settings, isBetween, browser } = {}) {
  const here = {
    /** @type {import("./world.mjs").World} */
    world: undefined,
    /** @type {import("./browser.mjs").Browser} */
    browser: undefined,
    /** A test with somebody who has a browser of their own: `run(context, test)`. */
    scene(name, run) {
      test(name, { timeout: 300_000 }, async (t) => {
        const context = await here.browser.newPerson();
        await recorded(name, context, () => run(context, t));
        await context.close();
      });
    },
  };
  before(async () => {
    const own = typeof settings === "function" ? await settings() : settings;
    here.world = await startWorld(own, { isBetween });
    here.browser = await startBrowser(browser);
  });
  after(async () => {
    await here.browser?.close();
    await here.world?.stop();
  });
  return here;
}

/** Runs with a log of what the pages ask and say, and takes their pictures at the end, however that is. */
export async function recorded(name, context, run) {
  mkdirSync(OUT, { recursive: true });
  const file = join(OUT, name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 80));
  const began = Date.now();
  const log = (line) => appendFileSync(`${file}.log`, `${String(Date.now() - began).padStart(7)} ${line}\n`);
  rmSync(`${file}.log`, { force: true });
  const listeners = {
    response: (answer) => log(`${answer.status()} ${answer.request().method()} ${answer.url()}`),
    requestfailed: (request) => log(`--- ${request.method()} ${request.url()} ${request.failure()?.errorText}`),
    console: (message) => log(`console ${message.type()}: ${message.text()}`),
    weberror: (event) => log(`error ${event.error()}`),
  };
  for (const [event, listener] of Object.entries(listeners)) context.on(event, listener);
  try {
    await run();
    log("good");
  } catch (error) {
    log(`FAILED ${error?.stack ?? error}`);
    throw error;
  } finally {
    for (const [at, page] of context.pages().slice(0, PICTURES).entries()) {
      // What nobody sees is not painted.
      const taken = page.bringToFront().then(() => page.screenshot({ path: `${file}-${at + 1}.png`, timeout: 5_000 }));
      await taken.catch((error) => log(`no picture: ${error.message}`));
    }
    for (const [event, listener] of Object.entries(listeners)) context.off(event, listener);
  }
}
