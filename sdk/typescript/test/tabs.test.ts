import assert from "node:assert/strict";
import { test } from "node:test";
import type { Locks } from "../src/lib/locks.js";
import type { Tab } from "./support/fake-browser.js";
import { ADA, MINUTE, refusal, signedIn, THINGS, type World } from "./support/world.js";

/** Ten tabs, each of which knows that Ada is signed in. */
async function tenTabs(made: World): Promise<Tab[]> {
  const tabs: Tab[] = [made, ...Array.from({ length: 9 }, () => made.browser.tab())];
  for (const tab of tabs) await made.done(tab.client.getUser());
  return tabs;
}

test("a new tab takes the token that another one has", async () => {
  const made = await signedIn({}, 1);
  await tenTabs(made);
  assert.deepEqual(made.issuer.log, []);
});

test("ten tabs that load at once refresh once", async () => {
  const made = await signedIn({}, 2);
  made.client.close();
  const tabs = Array.from({ length: 10 }, () => made.browser.tab());
  const users = await made.done(Promise.all(tabs.map(({ client }) => client.getUser())));
  assert(users.every((user) => user?.email === ADA.email));
  assert.equal(made.issuer.rotations, 1);
});

test("ten tabs with fifty calls each across an expiry: one refresh, no 401, nobody signed out; 200 times", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const made = await signedIn({}, seed);
    const { clock, done, issuer } = made;
    const tabs = await tenTabs(made);
    for (const { client, page } of tabs) {
      client.onSignedOut((reason) => assert.fail(`signed out: ${reason}, seed ${seed}`));
      page.hidden = true;
    }
    await clock.pass(60 * MINUTE);
    for (const { page } of tabs) {
      page.hidden = false;
      page.watcher?.shown(false);
    }
    const calls = tabs.flatMap(({ client }) => Array.from({ length: 50 }, () => client.fetch(THINGS)));
    const answers = await done(Promise.all(calls));
    assert(answers.every(({ status }) => status === 200), `seed ${seed}`);
    assert.deepEqual([issuer.rotations, issuer.replays, issuer.count("GET /api/things 401")], [1, 0, 0], `seed ${seed}`);
  }
});

test("with Portcullis' answers lost now and then: nobody signed out either", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const made = await signedIn({}, seed);
    const { clock, done, issuer } = made;
    const tabs = await tenTabs(made);
    let count = 0;
    issuer.disturb = (request, answer) => {
      if (!request.url.endsWith("/auth/refresh") || ++count % 3 === 0) return undefined;
      return answer().then(() => Promise.reject(new TypeError("lost")));
    };
    for (const { page } of tabs) page.hidden = true;
    await clock.pass(60 * MINUTE);
    await done(Promise.all(tabs.map(({ client }) => client.fetch(THINGS).catch(() => undefined))));
    for (const { client } of tabs) assert.equal((await done(client.fetch(THINGS))).status, 200, `seed ${seed}`);
  }
});

test("signing out in one tab signs out the others, and whom it is not about stays", async () => {
  const made = await signedIn({}, 3);
  const tabs = await tenTabs(made);
  const reasons: string[] = [];
  for (const { client } of tabs) client.onSignedOut((reason) => reasons.push(reason));
  await made.done(made.client.logout());
  await made.clock.pass(100);
  assert.deepEqual(reasons, Array(10).fill("signed_out"));
  assert.equal(made.issuer.log.at(-1), "POST /auth/logout 204");

  await made.done(made.client.login(ADA));
  await made.clock.pass(100);
  made.browser.say({ type: "out", sid: "session-of-somebody-else", reason: "signed_out" });
  await made.clock.pass(100);
  for (const { client } of tabs) assert.equal(client.session?.user.email, ADA.email);
});

test("signing out everywhere", async () => {
  const made = await signedIn({}, 4);
  const other = made.browser.tab();
  await made.done(other.client.getUser());
  await made.done(made.client.logoutEverywhere());
  await made.clock.pass(100);
  assert.equal(other.client.session, null);
  assert.equal(made.issuer.log.at(-1), "POST /auth/logout/all 204");
});

test("a refresh that is under way does not bring back what was signed out everywhere", async () => {
  // Where locks are in force the one waits for the other, and where they are not, the answer comes too late.
  const unlocked = { locks: { request: (_: string, __: object, run: () => Promise<never>) => run() } as Locks };
  for (const options of [{}, unlocked]) {
    const made = await signedIn();
    const other = made.browser.tab(options);
    await made.done(other.client.getUser());
    made.issuer.disturb = (request, answer) =>
      request.url.endsWith("/auth/refresh")
        ? answer().then((response) => new Promise((resolve) => made.clock.setTimeout(() => resolve(response), 500)))
        : undefined;
    const refreshing = other.client.refresh();
    await made.clock.pass(100);
    assert.equal(made.issuer.rotations, 1);
    await made.done(Promise.all([refreshing, made.client.logoutEverywhere()]));
    await made.clock.pass(100);
    for (const { client } of [made, other]) assert.equal(client.session, null);
  }
});

test("a message that was on its way when the session ended does not bring it back", async () => {
  const made = await signedIn();
  const held: unknown[] = [];
  const spy = made.browser.channel("portcullis:https://auth.example.org");
  spy.onmessage = ({ data }: MessageEvent) => held.push(data);
  await made.done(made.client.refresh());
  await made.clock.pass(100);
  await made.done(made.client.logout());
  const token = held.find((message) => (message as { type: string }).type === "in");
  assert(token);
  spy.postMessage(token);
  await made.clock.pass(100);
  assert.equal(made.client.session, null);
});

test("a sign-out that cannot reach Portcullis is none, and says so", async () => {
  const made = await signedIn();
  const other = made.browser.tab();
  await made.done(other.client.getUser());
  made.browser.offline = true;
  assert.equal((await made.done(refusal(made.client.logout()))).code, "network_error");
  await made.clock.pass(100);
  for (const { client } of [made, other]) assert.equal(client.session?.user.email, ADA.email);
});

test("signing out right after loading the page, and when nobody is signed in", async () => {
  const made = await signedIn();
  made.client.close();
  const other = made.browser.tab();
  await made.done(other.client.logout());
  assert.equal(made.issuer.log.at(-1), "POST /auth/logout 204");
  assert.equal(made.browser.jar.has("pc_refresh"), false);
  await made.done(other.client.logout());
  assert.equal(made.issuer.count("POST /auth/logout"), 1);
});

test("when Portcullis is down one tab tries, and the others hear of it", async () => {
  const made = await signedIn();
  const { browser, clock, done } = made;
  made.client.close();
  let tries = 0;
  const tabs = Array.from({ length: 10 }, () =>
    browser.tab({
      fetch(input, init) {
        if (browser.offline) tries++;
        return browser.fetch(input, init);
      },
    }),
  );
  for (const { client, page } of tabs) {
    await done(client.getUser());
    page.hidden = true;
  }
  await clock.pass(60 * MINUTE);
  browser.offline = true;
  const errors = await done(Promise.all(tabs.map(({ client }) => refusal(client.fetch(THINGS)))));
  assert(errors.every(({ code }) => code === "network_error"));
  assert.equal(tries, 2);
});

test("changes of the user show in all tabs, and only changes", async () => {
  const { updateUser } = await import("../src/index.js");
  const made = await signedIn();
  const other = made.browser.tab();
  await made.done(other.client.getUser());
  const names: (string | null | undefined)[] = [];
  const stop = other.client.onChange((session) => names.push(session?.user.name));
  await made.done(updateUser(made.client, { name: "Countess" }));
  await made.done(made.client.refresh());
  await made.clock.pass(100);
  assert.deepEqual(names, ["Countess"]);
  stop();
  await made.done(updateUser(made.client, { name: "Ada" }));
  await made.clock.pass(100);
  assert.deepEqual(names, ["Countess"]);
});

test("a tab with an older token does not set the others back", async () => {
  const made = await signedIn();
  const other = made.browser.tab();
  await made.done(other.client.getUser());
  made.browser.deaf = true;
  await made.done(made.client.refresh());
  const newer = await made.done(made.client.getAccessToken());
  made.browser.deaf = false;
  // It asks as a new tab would: the other one answers with what it has.
  const third = made.browser.tab();
  await made.done(third.client.getUser());
  await made.clock.pass(100);
  assert.equal(await made.done(made.client.getAccessToken()), newer);
  assert.equal(await made.done(third.client.getAccessToken()), newer);
});
