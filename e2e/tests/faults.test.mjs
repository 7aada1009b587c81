// What happens to networks, servers, clocks and keys signs nobody out; what ends a session does.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { moveClock, moveClocks } from "../support/clock.mjs";
import { watchRefreshes } from "../support/refreshes.mjs";
import { stage } from "../support/stage.mjs";
import { call, enter, events, newEmail, open, refresh, shows, signIn, signUp } from "../support/tab.mjs";
import { claimsOf, headOf } from "../support/tokens.mjs";

const here = stage();
const MINUTE = 60_000;
/** Longer than an access token lives. */
const SLEEP = 20 * MINUTE;

const allGood = async (tab, count = 5) => assert.deepEqual(await call(tab, count), { good: count, refused: 0, failed: 0 });

async function assertNeverSignedOut(tab) {
  await shows(tab, "signed-in");
  assert(!(await events(tab)).some((event) => event.startsWith("signed out")));
}

here.scene("offline while the token ends, and back", async (context) => {
  await moveClocks(context);
  const tab = await open(context, here.world.page);
  await signUp(tab);
  await context.setOffline(true);
  await moveClock(tab, SLEEP);
  assert.deepEqual(await call(tab, 5), { good: 0, refused: 0, failed: 5 });
  await assertNeverSignedOut(tab);
  const refreshes = watchRefreshes(context, here.world);
  await context.setOffline(false);
  await allGood(tab);
  assert((await refreshes.since(0)).some(({ status }) => status === 200));
  await assertNeverSignedOut(tab);
});

here.scene("opened while Portcullis is away: nobody knows who it is, until it is back", async (context) => {
  const tab = await open(context, here.world.page);
  await signUp(tab);
  await here.world.portcullis.end();
  try {
    await tab.reload();
    await tab.waitForSelector('#message[data-code="network_error"]');
    assert.equal(await tab.getAttribute("body", "data-state"), "unknown");
  } finally {
    await here.world.portcullis.start();
  }
  await tab.evaluate(() => void dispatchEvent(new Event("focus")));
  await shows(tab, "signed-in");
  await allGood(tab);
});

here.scene("Portcullis is started anew while the page is open, with the token ending meanwhile", async (context) => {
  await moveClocks(context);
  const tab = await open(context, here.world.page);
  await signUp(tab);
  await here.world.portcullis.end();
  try {
    // What is good is used without asking.
    await allGood(tab);
    await moveClock(tab, SLEEP);
    assert.deepEqual(await call(tab, 5), { good: 0, refused: 0, failed: 5 });
    await assertNeverSignedOut(tab);
  } finally {
    await here.world.portcullis.start();
  }
  await allGood(tab);
  await tab.reload();
  await shows(tab, "signed-in");
});

for (const [name, offset] of [["ten minutes fast", 10 * MINUTE], ["ten minutes slow", -10 * MINUTE], ["a day slow", -1440 * MINUTE]]) {
  here.scene(`a clock that is ${name}`, async (context) => {
    await moveClocks(context, offset);
    const tab = await open(context, here.world.page);
    await signUp(tab);
    const refreshes = watchRefreshes(context, here.world);
    await allGood(tab, 50);
    assert.equal(refreshes.count, 0, "the token is as good as its life is long");
    await tab.reload();
    await shows(tab, "signed-in");
    await allGood(tab);
    assert.equal(refreshes.count, 1);
    await moveClock(tab, SLEEP);
    here.world.service.expire();
    await tab.evaluate(() => document.getElementById("refresh").click());
    await allGood(tab);
    await assertNeverSignedOut(tab);
  });
}

here.scene("a clock that is set by ten minutes while the page is open, and back", async (context) => {
  await moveClocks(context);
  const tab = await open(context, here.world.page);
  await signUp(tab);
  for (const by of [10, -20, 10]) {
    await moveClock(tab, by * MINUTE);
    await allGood(tab);
    await assertNeverSignedOut(tab);
  }
});

here.scene("the signing key is rotated, and the old one withdrawn", async (context) => {
  const { portcullis } = here.world;
  const tab = await open(context, here.world.page);
  await signUp(tab);
  const before = await refresh(tab);
  await portcullis.run(["key", "rotate"]);
  await allGood(tab);
  publishingDelayPasses(here.world);
  await portcullis.run(["key", "retire", headOf(before).kid]);
  let after = before;
  while (headOf(after).kid === headOf(before).kid) after = await refresh(tab);
  assert.equal(claimsOf(after).sid, claimsOf(before).sid);
  await allGood(tab);
  await tab.fill("#name", "Ada");
  const changed = tab.waitForResponse((answer) => answer.request().method() === "PATCH" && answer.ok());
  await tab.click("#rename");
  await changed;
  await tab.reload();
  await shows(tab, "signed-in");
  await allGood(tab);
});

/** A new key signs when it has been published for ten minutes: all keys get older by so much, and every service knows them. */
function publishingDelayPasses({ portcullis: { directory }, service }) {
  const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])";
  const statement = "UPDATE signing_keys SET activates_at = activates_at - 600000000";
  execFileSync("python3", ["-c", script, join(directory, "data", "portcullis.db"), statement]);
  service.forgetKeys();
}

here.scene("the session is ended by the operator: signed out where it is noticed, in all tabs", async (context) => {
  const [one, two] = [await open(context, here.world.page), await open(context, here.world.page)];
  const email = await signUp(one);
  await shows(two, "signed-in");
  await here.world.portcullis.run(["session", "revoke", "--user", email, "--all"]);
  await one.click("#refresh");
  await shows(one, "signed-out");
  await shows(two, "signed-out");
  assert((await events(two)).includes("signed out: refresh_revoked"));
  await two.reload();
  await shows(two, "signed-out");
  await signIn(two, email);
  await shows(one, "signed-in");
});

here.scene("the session is ended from another browser: the next look at Portcullis shows it", async (context) => {
  const tab = await open(context, here.world.page);
  const email = await signUp(tab);
  const elsewhere = await here.browser.newPerson();
  const there = await open(elsewhere, here.world.page);
  await signIn(there, email);
  await there.click("#sign-out-everywhere");
  await shows(there, "signed-out");
  await elsewhere.close();
  // Changing the name asks Portcullis with a token that is dead.
  await tab.fill("#name", "Ada");
  await tab.click("#rename");
  await shows(tab, "signed-out");
});

here.scene("gone on to another page and back: shown as it was left, and looked after", async (context) => {
  const tab = await open(context, here.world.page);
  const email = await signUp(tab);
  await leaveAndComeBack(tab, async () => {});
  await allGood(tab);
  await assertNeverSignedOut(tab);

  const token = await refresh(tab);
  await leaveAndComeBack(tab, async () => {
    await here.world.portcullis.run(["session", "revoke", "--user", email, "--all"]);
    await isDead(token);
  });
  await shows(tab, "signed-out");

  await signIn(tab, email);
  const other = await open(context, here.world.page, "signed-in");
  await leaveAndComeBack(tab, async () => {
    await other.click("#sign-out");
    await shows(other, "signed-out");
  });
  await shows(tab, "signed-out");

  // And somebody else has signed in: the page that was left must not go on as the one before.
  await signIn(tab, email);
  const next = newEmail();
  await leaveAndComeBack(tab, async () => {
    await other.click("#sign-out");
    await shows(other, "signed-out");
    await signUp(other, next);
  });
  await tab.waitForFunction((email) => document.getElementById("who").textContent === email, next);
});

/** Servers follow what a command changes within a second. */
async function isDead(token) {
  const headers = { authorization: `Bearer ${token}` };
  let status;
  while (status !== 401) ({ status } = await fetch(`${here.world.auth}/auth/me`, { headers }));
}

/** By links and the button of the browser; the page is kept meanwhile, not loaded anew. */
async function leaveAndComeBack(tab, meanwhile) {
  await tab.evaluate(() => {
    addEventListener("pageshow", ({ persisted }) => (document.body.dataset.kept = persisted), { once: true });
  });
  await tab.goto(`${here.world.page}/icon.svg`);
  await meanwhile();
  await tab.goBack({ waitUntil: "commit" });
  await tab.waitForSelector('body[data-kept="true"]', { state: "attached" });
}

here.scene("the form says what was wrong, and stays", async (context) => {
  const tab = await open(context, here.world.page);
  await enter(tab, "ada@example.org", "#sign-up", "short");
  await tab.waitForSelector('#message[data-code="validation_failed"]');
  assert.equal(await tab.inputValue("#email"), "ada@example.org");
});
