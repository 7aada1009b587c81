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
  world = await startWorld({}, { isBetween: true });
  browser = await startBrowser();
  await moveClocks(browser.profile);
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

/** How many calls each window makes: spread evenly, or nearly all in one of them. */
const evenly = () => Array(WINDOWS).fill(CALLS / WINDOWS);
const inOne = (which) => Array.from({ length: WINDOWS }, (_, at) => (at === which ? CALLS - WINDOWS + 1 : 1));

/** A test in the windows of one profile, which are closed at its end. */
function scene(name, run) {
  test(name, { timeout: 600_000 }, async (t) => {
    await recorded(name, browser.profile, () => run(t));
    await Promise.all(browser.profile.pages().map((page) => page.close()));
  });
}

/** Ten windows that hold a token of one session. */
async function signedInWindows() {
  const windows = await openWindows(browser, world.page, WINDOWS);
  const { pages } = windows;
  await pages[0].waitForSelector('body:not([data-state="unknown"])');
  if ((await pages[0].getAttribute("body", "data-state")) === "signed-out") await signUp(pages[0]);
  await Promise.all(pages.map((page) => shows(page, "signed-in")));
  await Promise.all(pages.map((page) => call(page, 1)));
  return windows;
}

/** The machine sleeps, and all tokens end meanwhile. */
async function sleep({ freeze, pages }) {
  await freeze();
  await Promise.all(pages.map((page) => moveClock(page, SLEEP)));
  world.between.ahead += SLEEP;
  world.service.expire();
}

/** Calls from all windows; all must be good, with one refresh that has reached Portcullis, or one successor for all. */
async function callFromAll(pages, counts, refreshes, mark) {
  const outcomes = await Promise.all(pages.map((page, at) => call(page, counts[at])));
  assert.deepEqual(outcomes, counts.map((good) => ({ good, refused: 0, failed: 0 })));
  const answers = await refreshes.since(mark);
  assert(answers.every(({ status }) => status === 200), JSON.stringify(answers));
  assert.equal(new Set(answers.map(({ sid, gen }) => `${sid} ${gen}`)).size, 1, JSON.stringify(answers));
}

async function assertSignedIn(pages) {
  for (const page of pages) {
    await shows(page, "signed-in");
    assert(!(await events(page)).some((event) => event.startsWith("signed out")));
  }
}

scene(`${WINDOWS} windows wake with an expired token, ${CALLS} calls at once, ${TIMES} times`, async (t) => {
  const windows = await signedInWindows();
  const refreshes = watchRefreshes(browser.profile, world);
  const before = world.between.refreshes;
  for (let time = 0; time < TIMES; time++) {
    const mark = refreshes.count;
    await sleep(windows);
    await windows.wake();
    const counts = time % 2 ? inOne(time % WINDOWS) : evenly();
    await callFromAll(windows.pages, counts, refreshes, mark);
  }
  await assertSignedIn(windows.pages);
  t.diagnostic(`${world.between.refreshes - before} refreshes reached Portcullis in ${TIMES} expiries`);
});

scene("they wake, and nobody sees them: their timers come once a second", async () => {
  const windows = await signedInWindows();
  const refreshes = watchRefreshes(browser.profile, world);
  for (let time = 0; time < 3; time++) {
    const mark = refreshes.count;
    await sleep(windows);
    await windows.thaw();
    await callFromAll(windows.pages, evenly(), refreshes, mark);
  }
  await windows.wake();
  await assertSignedIn(windows.pages);
});
