// Browsers, and pages on plain http, that lack Web Locks or BroadcastChannel.

import assert from "node:assert/strict";
import { moveClock, moveClocks } from "../support/clock.mjs";
import { watchRefreshes } from "../support/refreshes.mjs";
import { stage } from "../support/stage.mjs";
import { call, events, open, shows, signOut, signUp } from "../support/tab.mjs";

const here = stage({ isBetween: true });
const SLEEP = 20 * 60_000;

const LACKS = {
  "without Web Locks": () => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }),
  "without BroadcastChannel": () => delete globalThis.BroadcastChannel,
  "without either": () => {
    Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
    delete globalThis.BroadcastChannel;
  },
};

for (const [name, remove] of Object.entries(LACKS)) {
  here.scene(`${name}: five tabs wake, and all have the same successor; signing out reaches all`, async (context) => {
    await moveClocks(context);
    await context.addInitScript(remove);
    const tabs = [await open(context, here.world.page)];
    await signUp(tabs[0]);
    while (tabs.length < 5) tabs.push(await open(context, here.world.page, "signed-in"));
    const refreshes = watchRefreshes(context, here.world);
    for (let time = 1; time <= 5; time++) {
      const mark = refreshes.count;
      await Promise.all(tabs.map((tab) => call(tab, 1)));
      await Promise.all(tabs.map((tab) => moveClock(tab, SLEEP)));
      here.world.between.ahead += SLEEP;
      here.world.service.expire();
      const outcomes = await Promise.all(tabs.map((tab) => call(tab, 10)));
      assert.deepEqual(outcomes, tabs.map(() => ({ good: 10, refused: 0, failed: 0 })));
      const answers = await refreshes.since(mark);
      assert(answers.length > 0 && answers.every(({ status }) => status === 200), JSON.stringify(answers));
    }
    for (const tab of tabs) assert(!(await events(tab)).some((event) => event.startsWith("signed out")));
    await signOut(tabs[2]);
    await Promise.all(tabs.map((tab) => shows(tab, "signed-out")));
  });
}
