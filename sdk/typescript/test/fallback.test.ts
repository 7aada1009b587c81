import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentOf } from "../src/lib/environment.js";
import { createLeaseLocks, createLocks, type Locks } from "../src/lib/locks.js";
import { createStoreChannel } from "../src/lib/store-channel.js";
import { FakeClock } from "./support/fake-clock.js";
import { ADA, MINUTE, signedIn, THINGS, world } from "./support/world.js";

test("leases: one at a time, in a tab and between tabs", async () => {
  const { browser, clock } = world();
  const tabs = Array.from({ length: 5 }, () => createLeaseLocks(browser.storage, clock));
  let holders = 0;
  let runs = 0;
  const work = async () => {
    assert.equal(++holders, 1);
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 100));
    holders--;
    runs++;
  };
  const all = tabs.flatMap((locks) => [1, 2, 3].map(() => locks.request("name", {}, work)));
  await clock.until(Promise.all(all));
  assert.equal(runs, 15);
});

test("leases: a tab that is gone holds none for long, and who aborts leaves", async () => {
  const { browser, clock } = world();
  const [gone, stays] = [createLeaseLocks(browser.storage, clock), createLeaseLocks(browser.storage, clock)];
  void gone.request("name", {}, () => new Promise(() => undefined));
  await clock.pass(1_000);
  const leaving = new AbortController();
  const left = stays.request("name", { signal: leaving.signal }, () => assert.fail("was granted"));
  await clock.pass(100);
  leaving.abort(new Error("left"));
  await assert.rejects(clock.until(left), /left/);
  const before = clock.now();
  await clock.until(stays.request("name", {}, () => Promise.resolve()));
  assert(clock.now() - before < 20_000);
});

test("leases: without a store there is a queue in the tab", async () => {
  const clock = new FakeClock();
  const locks = createLeaseLocks(undefined, clock);
  const order: number[] = [];
  const turn = (number: number) => locks.request("name", {}, async () => void order.push(number));
  await clock.until(Promise.allSettled([turn(1), locks.request("name", {}, () => Promise.reject(1)), turn(2)]));
  assert.deepEqual(order, [1, 2]);
});

test("locks that the browser does not grant: a queue in the tab; what fails under a lock fails once", async () => {
  const denied = Object.assign(new Error("Access to the Locks API is denied"), { name: "SecurityError" });
  const clock = new FakeClock();
  const denying: Locks = { request: () => Promise.reject(denied) };
  const locks = createLocks(denying, createLeaseLocks(undefined, clock));
  assert.equal(await locks.request("name", {}, () => Promise.resolve("ran")), "ran");

  let runs = 0;
  const granting: Locks = { request: (_name, _options, run) => run() };
  const failing = () => (runs++, Promise.reject(denied));
  await assert.rejects(createLocks(granting, denying).request("name", {}, failing), denied);
  assert.equal(runs, 1);
});

test("ten tabs on leases: one refresh", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const made = world({}, seed);
    const { browser, clock, done, issuer } = made;
    made.client.close();
    const tabs = Array.from({ length: 10 }, () =>
      browser.tab({ locks: createLeaseLocks(browser.storage, clock) }),
    );
    await done(tabs[0]!.client.login(ADA));
    for (const { client, page } of tabs) {
      await done(client.getUser());
      page.hidden = true;
    }
    const before = issuer.rotations;
    await clock.pass(60 * MINUTE);
    const answers = await done(Promise.all(tabs.map(({ client }) => client.fetch(THINGS))));
    assert(answers.every(({ status }) => status === 200));
    assert.equal(issuer.rotations - before, 1, `seed ${seed}`);
  }
});

test("ten tabs on leases that hear nothing of each other: each refreshes, and nobody is signed out", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { browser, clock, done, issuer } = world({}, seed);
    const tabs = Array.from({ length: 10 }, () =>
      browser.tab({ locks: createLeaseLocks(browser.storage, clock), channel: () => undefined }),
    );
    await done(tabs[0]!.client.login(ADA));
    for (const { client, page } of tabs) {
      await done(client.getUser());
      page.hidden = true;
    }
    await clock.pass(60 * MINUTE);
    const before = issuer.rotations;
    const answers = await done(Promise.all(tabs.map(({ client }) => client.fetch(THINGS))));
    assert(answers.every(({ status }) => status === 200), `seed ${seed}`);
    assert.equal(issuer.rotations - before, 10);
  }
});

test("without BroadcastChannel sign-outs go by the store, and no token does", async () => {
  // Browsers tell other tabs of changes by an event on the global object.
  const listeners = new Set<(event: unknown) => void>();
  const globals = globalThis as Record<string, unknown>;
  globals.addEventListener = (_: string, listener: (event: unknown) => void) => listeners.add(listener);
  globals.removeEventListener = (_: string, listener: (event: unknown) => void) => listeners.delete(listener);
  try {
    const written: string[] = [];
    const store = {
      getItem: () => null,
      setItem(key: string, newValue: string) {
        written.push(newValue);
        for (const listener of [...listeners]) listener({ key, newValue });
      },
      removeItem: () => undefined,
    };
    const channel = (name: string) => createStoreChannel(name, store);
    const made = await signedIn({ channel });
    const other = made.browser.tab({ channel });
    await made.done(other.client.getUser());
    await made.done(made.client.logout());
    assert.equal(other.client.session, null);
    assert.equal(written.length, 1);
    assert.match(written[0] ?? "", /"type":"out"/);
    made.client.close();
    other.client.close();
    assert.equal(listeners.size, 0);
  } finally {
    delete globals.addEventListener;
    delete globals.removeEventListener;
  }
});

test("a client can be made where there is no page", () => {
  const environment = environmentOf({ baseUrl: "https://auth.example.org/" });
  assert.equal(environment.baseUrl, "https://auth.example.org");
  assert.equal(environment.page.address, undefined);
  assert.equal(environment.page.isHidden(), false);
  assert.throws(() => environmentOf({ baseUrl: "/auth" }));
});
