import assert from "node:assert/strict";
import { test } from "node:test";
import { SecondFactorRequired } from "../src/index.js";
import { problem } from "./support/fake-issuer.js";
import { ADA, refusal, signedIn, THINGS, world } from "./support/world.js";

test("signing in gives the session, and services the token", async () => {
  const { client, done } = world();
  const session = await done(client.login(ADA));
  assert.equal(session.user.email, ADA.email);
  assert.equal(session.mustChangePassword, false);
  assert.deepEqual(client.session, session);
  assert.equal((await done(client.fetch(THINGS))).status, 200);
});

test("nothing of a client that can be seen holds a token", async () => {
  const { client, done } = await signedIn();
  const token = await done(client.getAccessToken());
  assert(token);
  const seen = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (typeof value === "string") assert(!value.includes(token));
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    for (const key of Object.keys(value)) walk((value as Record<string, unknown>)[key]);
  };
  walk(client);
  walk(client.session);
});

test("after loading the page the session is found by the cookie", async () => {
  const { browser, done, issuer } = await signedIn();
  const { client } = browser.tab({ channel: () => undefined });
  assert.equal(client.session, undefined);
  assert.equal((await done(client.getUser()))?.name, "Ada");
  assert.equal((await done(client.getUser()))?.name, "Ada");
  assert.equal(issuer.count("POST /auth/refresh"), 1);
});

test("without a cookie nobody is signed in, and Portcullis is asked once", async () => {
  const { client, done, issuer } = world();
  const signedOut: string[] = [];
  client.onSignedOut((reason) => signedOut.push(reason));
  assert.equal(await done(client.getUser()), null);
  assert.equal(await done(client.getSession()), null);
  assert.equal(await done(client.getAccessToken()), null);
  assert.equal(client.session, null);
  assert.equal(issuer.count("POST /auth/refresh"), 1);
  assert.deepEqual(signedOut, []);
});

test("wrong credentials", async () => {
  const { client, done } = world();
  const error = await done(refusal(client.login({ ...ADA, password: "wrong" })));
  assert.equal(error.code, "invalid_credentials");
  assert.equal(error.status, 401);
  assert.equal(error.requestId, "request-1");
});

test("a second factor is asked for, and proven", async () => {
  const { client, done, issuer } = world();
  const error = await done(refusal(client.login({ ...ADA, password: "owes a factor" })));
  assert(error instanceof SecondFactorRequired);
  assert.deepEqual(error.methods, ["totp"]);
  const { challenge } = error;
  const wrong = client.loginWithFactor({ challenge, method: "totp", code: "000000" });
  assert.equal((await done(refusal(wrong))).code, "invalid_credentials");
  const asked: unknown[] = [];
  issuer.disturb = (request, answer) => request.json().then((body) => (asked.push(body), answer()));
  const right = { challenge, method: "totp", code: "123456", rememberDevice: true };
  assert.equal((await done(client.loginWithFactor(right))).user.email, ADA.email);
  assert.deepEqual(asked, [{ challenge, method: "totp", code: "123456", remember_device: true, delivery: "cookie" }]);
});

test("signing up signs in, or tells of the mail", async () => {
  const { client, done, issuer } = world();
  const registered = await done(client.register({ email: "new@example.org", password: "long enough words" }));
  assert.equal(registered.status, "signed_in");
  issuer.disturb = async (request) => {
    const body = (await request.json()) as Record<string, string>;
    assert.deepEqual(body, { email: "a@b.c", password: "words", invite_code: "inv", delivery: "cookie" });
    return Response.json({ status: "verification_required" }, { status: 202 });
  };
  const pending = await done(client.register({ email: "a@b.c", password: "words", inviteCode: "inv" }));
  assert.deepEqual(pending, { status: "verification_required" });
});

test("fields that are not accepted are named", async () => {
  const { client, done, issuer } = world();
  const errors = [{ field: "password", code: "too_short", message: "At least 15." }];
  issuer.disturb = () => Promise.resolve(problem(422, "validation_failed", { errors }));
  const error = await done(refusal(client.register({ email: "a@b.c", password: "x" })));
  assert.equal(error.code, "validation_failed");
  assert.deepEqual(error.fields, errors);
});

test("without cookies nobody would stay signed in, and is told so before", async () => {
  const { client, done, issuer, page } = world();
  page.keeps = false;
  assert.equal((await done(refusal(client.login(ADA)))).code, "cookies_disabled");
  assert.deepEqual(issuer.log, []);
});

test("one audience is asked for at sign-in and at refresh", async () => {
  const { client, done, issuer } = world({ audience: "https://api.example.org" });
  const asked: unknown[] = [];
  issuer.disturb = (request, answer) => {
    if (request.method !== "POST") return undefined;
    return request.json().then((body) => (asked.push((body as Record<string, unknown>).audience), answer()));
  };
  await done(client.login(ADA));
  await done(client.refresh());
  assert.deepEqual(asked, ["https://api.example.org", "https://api.example.org"]);
});

test("signing in as somebody else replaces the session in all tabs", async () => {
  const { browser, client, clock, done, issuer } = await signedIn();
  const other = browser.tab();
  await done(other.client.getUser());
  issuer.passwords.set("bob@example.org", "another passphrase");
  const seen: (string | null | undefined)[] = [];
  other.client.onChange((session) => seen.push(session?.user.email));
  await done(client.login({ email: "bob@example.org", password: "another passphrase" }));
  await clock.pass(1_000);
  assert.deepEqual(seen, ["bob@example.org"]);
  assert.equal(issuer.count("POST /auth/refresh"), 0);
});
