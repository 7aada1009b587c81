// The commonest complaint about sign-in: signed out by a race. Ten windows, fifty calls, an expiry, two hundred times.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "../support/browser.mjs";
import { moveClock, moveClocks } from "../support/clock.mjs";
import { watchRefreshes } from "../support/refreshes.mjs";
import { recorded } from "../support/stage.mjs";
import { call, events, shows, signUp } from "../support/tab.mjs";
import { openWindows } from "../support/windows.mjs";
import { startWorld } from "../support/world.mjs";

const WINDOWS = 10;
const CALLS = 50;
const TIMES = Number(process.env.E2E_TIMES ?? 200);
/** Milliseconds: longer than an access token lives by default. */
const SLEEP = 20 * 60_000;

let world;
let browser;
before(async () => {
  world = await startWorld();
  browser = await startBrowser();
  await moveClocks(browser.profile);
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

/** How many calls each window makes: spread evenly, or nearly all in one of them. */
const spread = (time) =>
  Array.from({ length: WINDOWS }, (_, at) => (time % 2 ? CALLS / WINDOWS : at === time % WINDOWS ? CALLS - WINDOWS + 1 : 1));

test(`${WINDOWS} windows wake with an expired token, ${CALLS} calls at once, ${TIMES} times`, { timeout: 600_000 }, (t) =>
  recorded(t.name, browser.profile, async () => {
    const windows = await openWindows(browser, world.page, WINDOWS);
    const { pages } = windows;
    await signUp(pages[0]);
    await Promise.all(pages.map((page) => shows(page, "signed-in")));
    await Promise.all(pages.map((page) => call(page, 1)));
    const refreshes = watchRefreshes(browser.profile, world.portcullis);

    let requests = 0;
    let tokens = 0;
    for (let time = 1; time <= TIMES; time++) {
      const mark = refreshes.count;
      await windows.freeze();
      await Promise.all(pages.map((page) => moveClock(page, SLEEP)));
      world.service.expire();
      await windows.wake();
      const outcomes = await Promise.all(pages.map((page, at) => call(page, spread(time)[at])));

      const good = outcomes.reduce((sum, outcome) => sum + outcome.good, 0);
      assert.equal(good, CALLS, `time ${time}: ${JSON.stringify(outcomes)}`);
      const answers = await refreshes.since(mark);
      assert(answers.every(({ status }) => status === 200), `time ${time}: ${JSON.stringify(answers)}`);
      const successors = new Set(answers.map(({ sid, gen }) => `${sid} ${gen}`));
      assert.equal(successors.size, 1, `time ${time}: ${[...successors]}`);
      requests += answers.length;
      tokens += successors.size;
    }
    for (const page of pages) {
      await shows(page, "signed-in");
      assert(!(await events(page)).some((event) => event.startsWith("signed out")));
    }
    t.diagnostic(`${requests} refreshes for ${tokens} expiries; ${world.service.refused} calls were refused once`);
  }),
);
