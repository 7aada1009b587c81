import assert from "node:assert/strict";
import type { ClientOptions, PortcullisError } from "../../src/index.js";
import { isPortcullisError } from "../../src/index.js";
import { FakeBrowser, type Tab } from "./fake-browser.js";
import { FakeClock, randomFrom } from "./fake-clock.js";
import { FakeIssuer } from "./fake-issuer.js";

export const ADA = { email: "ada@example.org", password: "a good long passphrase" };
export const MINUTE = 60_000;
/** A service of the application. */
export const THINGS = "/api/things";

export interface World extends Tab {
  readonly clock: FakeClock;
  readonly issuer: FakeIssuer;
  readonly browser: FakeBrowser;
  /** Waits, and lets the time pass that it takes. */
  readonly done: FakeClock["until"];
}

/** A clock, an issuer, a browser and one tab. With a seed everything takes its time. */
export function world(options: Partial<ClientOptions> = {}, seed?: number): World {
  const clock = new FakeClock();
  const issuer = new FakeIssuer(clock);
  const random = randomFrom(seed ?? 0);
  const delay = (most: number) => (seed === undefined ? 0 : random() * most);
  const browser = new FakeBrowser(clock, issuer, delay);
  return { clock, issuer, browser, done: (promise) => clock.until(promise), ...browser.tab(options) };
}

/** The same, with Ada signed in. */
export async function signedIn(options: Partial<ClientOptions> = {}, seed?: number): Promise<World> {
  const made = world(options, seed);
  await made.done(made.client.login(ADA));
  made.issuer.log.length = 0;
  return made;
}

/** The error that a promise rejects with. */
export async function refusal(promise: Promise<unknown>): Promise<PortcullisError> {
  const error: unknown = await promise.then(
    () => assert.fail("was not refused"),
    (error: unknown) => error,
  );
  assert(isPortcullisError(error), String(error));
  return error;
}
