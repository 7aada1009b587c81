import assert from "node:assert/strict";
import { test } from "node:test";
import { problem } from "./support/fake-issuer.js";
import { ADA, MINUTE, refusal, signedIn, THINGS, world, type World } from "./support/world.js";

const REFRESH = "POST /auth/refresh";

test("a page that is seen refreshes a minute ahead, and goes on doing so", async () => {
  const { clock, issuer } = await signedIn();
  await clock.pass(13.9 * MINUTE);
  assert.equal(issuer.rotations, 0);
  await clock.pass(0.2 * MINUTE);
  assert.equal(issuer.rotations, 1);
  await clock.pass(14 * MINUTE);
  assert.equal(issuer.rotations, 2);
});

test("a page that nobody sees does not, until it is seen", async () => {
  const { clock, issuer, page } = await signedIn();
  page.hidden = true;
  await clock.pass(60 * MINUTE);
  assert.equal(issuer.rotations, 0);
  page.hidden = false;
  page.watcher?.shown(false);
  await clock.pass(1_000);
  assert.equal(issuer.rotations, 1);
});

test("short tokens are not refreshed all the time", async () => {
  const made = world();
  made.issuer.accessTtl = 8;
  await made.done(made.client.login(ADA));
  await made.clock.pass(60_000);
  assert(made.issuer.rotations >= 7 && made.issuer.rotations <= 12, String(made.issuer.rotations));
});

test("an expired token is renewed before the request, once for all of them", async () => {
  const { client, clock, done, issuer, page } = await signedIn();
  page.hidden = true;
  await clock.pass(60 * MINUTE);
  const answers = await done(Promise.all(Array.from({ length: 50 }, () => client.fetch(THINGS))));
  assert(answers.every(({ status }) => status === 200));
  assert.equal(issuer.rotations, 1);
  assert.equal(issuer.count("GET /api/things 401"), 0);
});

test("a token with a little left is used at once, and renewed meanwhile", async () => {
  const { client, clock, done, issuer, page } = await signedIn();
  page.hidden = true;
  await clock.pass(14.5 * MINUTE);
  await done(client.fetch(THINGS));
  await clock.pass(1_000);
  assert.deepEqual(issuer.log.filter((line) => !line.includes("csrf")), [`GET ${THINGS} 200`, `${REFRESH} 200`]);
});

test("concurrent calls of refresh are one", async () => {
  const { client, done, issuer } = await signedIn();
  const sessions = await done(Promise.all([client.refresh(), client.refresh(), client.getAccessToken()]));
  assert.equal(sessions[0]?.user.email, ADA.email);
  assert.equal(issuer.rotations, 1);
});

test("an ended session signs out, with the reason", async () => {
  for (const [ended, reason] of [["revoked", "refresh_revoked"], ["expired", "refresh_expired"]] as const) {
    const { client, done, issuer } = await signedIn();
    const reasons: string[] = [];
    client.onSignedOut((reason) => reasons.push(reason));
    for (const session of issuer.sessions.values()) session.ended = ended;
    assert.equal(await done(client.refresh()), null);
    assert.deepEqual(reasons, [reason]);
    assert.equal(client.session, null);
  }
});

test("a cookie that is gone signs out", async () => {
  const { browser, client, done } = await signedIn();
  browser.jar.delete("pc_refresh");
  assert.equal(await done(client.refresh()), null);
});

const FAULTS: [string, number, (made: World) => void][] = [
  ["offline", 0, ({ browser }) => void (browser.offline = true)],
  ["store_unavailable", 503, ({ issuer }) => fail(issuer, () => problem(503, "store_unavailable"))],
  ["internal_error", 500, ({ issuer }) => fail(issuer, () => problem(500, "internal_error"))],
  ["rate_limited", 429, ({ issuer }) => fail(issuer, () => problem(429, "rate_limited", { retryAfter: 7 }))],
  ["a proxy's page", 502, ({ issuer }) => fail(issuer, () => new Response("<h1>Bad gateway</h1>", { status: 502 }))],
  ["a proxy's password", 401, ({ issuer }) => fail(issuer, () => new Response("who are you?", { status: 401 }))],
  ["csrf_failed", 403, ({ issuer }) => fail(issuer, () => problem(403, "csrf_failed"))],
];

function fail(issuer: World["issuer"], answer: () => Response): void {
  issuer.disturb = (request) => (request.method === "POST" ? Promise.resolve(answer()) : undefined);
}

for (const [name, status, break_] of FAULTS) {
  test(`no sign-out by a fault: ${name}`, async () => {
    const made = await signedIn();
    const { client, clock, done, issuer, browser, page } = made;
    client.onSignedOut(() => assert.fail("signed out"));
    break_(made);
    const error = await done(refusal(client.refresh()));
    assert.equal(error.status, status);
    assert.equal(client.session?.user.email, ADA.email);
    // What is good is used to its end, and after it the fault is told.
    browser.offline = false;
    assert.equal((await done(client.fetch(THINGS))).status, 200);
    page.hidden = true;
    await clock.pass(20 * MINUTE);
    if (name === "offline") browser.offline = true;
    assert.equal((await done(refusal(client.fetch(THINGS)))).status, status);
    assert.equal(client.session?.user.email, ADA.email);
    browser.offline = false;
    issuer.disturb = undefined;
    assert.equal((await done(client.fetch(THINGS))).status, 200);
  });
}

test("a fault is tried again once, and as late as it says", async () => {
  const { client, clock, done, issuer } = await signedIn();
  let first: number | undefined;
  issuer.disturb = (request) => {
    if (request.method !== "POST" || first !== undefined) return undefined;
    first = clock.now();
    return Promise.resolve(problem(503, "hashing_busy", { retryAfter: 2 }));
  };
  await done(client.refresh());
  assert.equal(issuer.rotations, 1);
  assert(clock.now() - (first ?? 0) >= 2_000);
});

test("the background tries again, later each time, and at once when the page is online again", async () => {
  const tries: number[] = [];
  const made = world();
  const { browser, clock, issuer, page } = made;
  const { client } = browser.tab({
    page,
    channel: () => undefined,
    fetch(input, init) {
      if (browser.offline) tries.push(clock.now());
      return browser.fetch(input, init);
    },
  });
  await made.done(client.login(ADA));
  await clock.pass(13.9 * MINUTE);
  browser.offline = true;
  await clock.pass(11 * MINUTE);
  // Each time twice, half a second apart; then 2, 4, 8, … and 60 seconds at the most.
  const gaps = tries.slice(1).map((at, index) => Math.round((at - (tries[index] ?? 0)) / 1000));
  assert.deepEqual(gaps.slice(0, 8), [1, 2, 1, 4, 1, 8, 1, 16]);
  assert.equal(Math.max(...gaps), 60);
  browser.offline = false;
  page.watcher?.shown(false);
  await clock.pass(1_000);
  assert.equal(issuer.rotations, 1);
  assert.equal(client.session?.user.email, ADA.email);
});

test("an answer that was lost is asked for again, and is the same", async () => {
  const { client, done, issuer, clock } = await signedIn();
  let lost = false;
  issuer.disturb = (request, answer) => {
    if (!request.url.endsWith("/auth/refresh") || lost) return undefined;
    lost = true;
    return answer().then(() => Promise.reject(new TypeError("connection reset")));
  };
  await done(client.refresh());
  assert.deepEqual([issuer.rotations, issuer.replays], [1, 1]);
  await clock.pass(5 * MINUTE);
  await done(client.refresh());
  assert.equal(issuer.rotations, 2);
  assert.equal(client.session?.user.email, ADA.email);
});

test("a Portcullis that does not answer is not waited for for ever", async () => {
  const never: typeof fetch = (_, init) =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  const { client, done } = world({ fetch: never, timeout: 5_000 });
  const error = await done(refusal(client.getUser()));
  assert.equal(error.code, "network_error");
  assert.match(error.message, /did not answer in 5 s/);
});

for (const skew of [-10 * MINUTE, 10 * MINUTE]) {
  test(`a clock that is off by ${-skew / MINUTE} minutes is no matter`, async () => {
    const { browser, client, clock, done, issuer } = world();
    issuer.skew = skew;
    await done(client.login(ADA));
    await clock.pass(13.9 * MINUTE);
    assert.equal(issuer.rotations, 0);
    // A new tab takes the token, and the right idea of the time with it.
    const other = browser.tab();
    assert.equal((await done(other.client.getUser()))?.email, ADA.email);
    assert.equal(issuer.rotations, 0);
    await clock.pass(0.2 * MINUTE);
    assert.equal(issuer.rotations, 1);
    for (let minute = 0; minute < 60; minute++) {
      await clock.pass(MINUTE);
      assert.equal((await done(client.fetch(THINGS))).status, 200);
      assert.equal((await done(other.client.fetch(THINGS))).status, 200);
    }
    assert.equal(issuer.count(`GET ${THINGS} 401`), 0);
    assert.equal(issuer.rotations, 5);
  });
}

test("a clock that is set while the page is open is no matter", async () => {
  for (const step of [-10 * MINUTE, 10 * MINUTE]) {
    const { client, clock, done, issuer, page } = await signedIn();
    page.hidden = true;
    await clock.pass(10 * MINUTE);
    clock.set(clock.now() + step);
    issuer.skew -= step;
    for (let minute = 0; minute < 30; minute++) {
      await clock.pass(MINUTE);
      assert.equal((await done(client.fetch(THINGS))).status, 200);
    }
  }
});

test("a page that was left and is gone back to looks whether its session still lives", async () => {
  const { browser, client, clock, done, issuer, page } = await signedIn();
  const other = browser.tab();
  await done(other.client.getUser());
  page.watcher?.hidden();
  await done(other.client.logout());
  await clock.pass(1_000);
  assert.equal(client.session?.user.email, ADA.email);
  page.watcher?.shown(true);
  await clock.pass(1_000);
  assert.equal(client.session, null);

  await done(client.login(ADA));
  page.watcher?.hidden();
  page.watcher?.shown(true);
  await clock.pass(1_000);
  assert.equal((await done(client.getUser()))?.email, ADA.email);
  assert.equal(issuer.rotations, 0);
});

test("a closed client does nothing by itself", async () => {
  const { client, clock, issuer } = await signedIn();
  client.close();
  await clock.pass(60 * MINUTE);
  assert.deepEqual(issuer.log, []);
});
