// Tokens that live for two seconds and end for real, at a service that gives them one second more.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { stage } from "../support/stage.mjs";
import { moveClock, moveClocks } from "../support/clock.mjs";
import { watchRefreshes } from "../support/refreshes.mjs";
import { call, events, open, shows, signUp } from "../support/tab.mjs";

const here = stage({ settings: { PORTCULLIS_TOKENS__ACCESS_TTL: "2s" } });

/** Opens tabs of one person who is signed in. */
async function signedInTabs(context, count) {
  const tabs = [await open(context, here.world.page)];
  await signUp(tabs[0]);
  while (tabs.length < count) tabs.push(await open(context, here.world.page, "signed-in"));
  return tabs;
}

async function assertSignedIn(tabs) {
  for (const tab of tabs) {
    await shows(tab, "signed-in");
    assert(!(await events(tab)).some((event) => event.startsWith("signed out")));
  }
}

here.scene("ten tabs go on calling while their tokens end, eight times", async (context) => {
  const tabs = await signedInTabs(context, 10);
  const refreshes = watchRefreshes(context, here.world);
  const generations = new Set();
  while (generations.size < 8) {
    const outcomes = await Promise.all(tabs.map((tab) => call(tab, 5)));
    assert.deepEqual(outcomes, tabs.map(() => ({ good: 5, refused: 0, failed: 0 })));
    for (const { status, gen } of await refreshes.since(0)) {
      assert.equal(status, 200);
      generations.add(gen);
    }
  }
  // Each generation was asked for once: no tab has asked for one that another had.
  assert.equal(refreshes.count, generations.size);
  await assertSignedIn(tabs);
});

here.scene("a tab whose machine slept through the end of its token", async (context) => {
  await moveClocks(context);
  const [tab] = await signedInTabs(context, 1);
  await call(tab, 1);
  await context.setOffline(true);
  const { lastEnd } = here.world.service;
  await setTimeout(Math.max(0, lastEnd - Date.now()));
  await moveClock(tab, 60_000);
  await context.setOffline(false);
  assert.deepEqual(await call(tab, 50), { good: 50, refused: 0, failed: 0 });
  await assertSignedIn([tab]);
});
