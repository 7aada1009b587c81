import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changePassword,
  completeSocialSignIn,
  endSession,
  forgotPassword,
  getConfig,
  listSessions,
  resetPassword,
  sendVerification,
  socialSignInUrl,
  startSocialSignIn,
  updateUser,
  verifyEmail,
  verifyResetToken,
} from "../src/index.js";
import { ADA, MINUTE, refusal, signedIn, THINGS, world } from "./support/world.js";

test("a changed password goes on with new tokens, in all tabs", async () => {
  const { browser, client, clock, done, issuer } = await signedIn();
  const other = browser.tab();
  await done(other.client.getUser());
  const wrong = changePassword(client, { currentPassword: "wrong", newPassword: "a new long passphrase" });
  assert.equal((await done(refusal(wrong))).code, "wrong_password");
  const before = await done(client.getAccessToken());
  await done(changePassword(client, { currentPassword: ADA.password, newPassword: "a new long passphrase" }));
  await clock.pass(100);
  const after = await done(client.getAccessToken());
  assert.notEqual(after, before);
  assert.equal(await done(other.client.getAccessToken()), after);
  await clock.pass(20 * MINUTE);
  assert.equal((await done(client.fetch(THINGS))).status, 200);
  assert.equal(issuer.count("POST /auth/password/change"), 2);
});

test("what needs a user says that there is none", async () => {
  const { client, done } = world();
  const change = { currentPassword: "x", newPassword: "y" };
  for (const call of [
    () => changePassword(client, change),
    () => updateUser(client, { name: "x" }),
    () => listSessions(client),
    () => endSession(client, "1"),
    () => sendVerification(client),
  ]) {
    assert.equal((await done(refusal(call()))).code, "signed_out");
  }
  assert.equal(await done(client.getUser({ fresh: true })), null);
});

test("a session that has ended meanwhile is told as that", async () => {
  const { client, done, issuer } = await signedIn();
  issuer.revokeAll();
  assert.equal((await done(refusal(updateUser(client, { name: "x" })))).code, "signed_out");
  assert.equal(client.session, null);
});

test("fresh data of the user", async () => {
  const { client, done, issuer } = await signedIn();
  issuer.names.set(ADA.email, "Countess");
  assert.equal((await done(client.getUser()))?.name, "Ada");
  assert.equal((await done(client.getUser({ fresh: true })))?.name, "Countess");
  assert.equal(client.session?.user.name, "Countess");
});

test("links of mails", async () => {
  const { client, done } = world();
  await done(forgotPassword(client, ADA.email));
  assert.equal(await done(verifyResetToken(client, "good")), true);
  assert.equal(await done(verifyResetToken(client, "bad")), false);
  await done(resetPassword(client, { token: "good", newPassword: "a new long passphrase" }));
  const reset = resetPassword(client, { token: "bad", newPassword: "a new long passphrase" });
  assert.equal((await done(refusal(reset))).code, "invalid_link");
  await done(verifyEmail(client, { token: "good" }));
  assert.equal((await done(refusal(verifyEmail(client, { token: "bad" })))).code, "invalid_link");
});

test("what the server is asked", async () => {
  const { client, done, issuer } = await signedIn();
  const asked: string[] = [];
  issuer.disturb = async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = request.body ? ` ${await request.text()}` : "";
    asked.push(`${request.method} ${pathname}${search}${body}`);
    return Response.json({ items: [], next_cursor: null });
  };
  await done(listSessions(client, { limit: 5, cursor: "a b" }));
  await done(endSession(client, "a/b"));
  await done(getConfig(client));
  await done(updateUser(client, { name: null }));
  await done(resetPassword(client, { token: "t", newPassword: "p", revokeApiTokens: false }));
  assert.deepEqual(asked, [
    "GET /auth/sessions?limit=5&cursor=a+b",
    "DELETE /auth/sessions/a%2Fb",
    "GET /auth/config",
    'PATCH /auth/me {"name":null}',
    'POST /auth/password/reset {"token":"t","new_password":"p","revoke_api_tokens":false}',
  ]);
});

test("another provider, by way of Portcullis", () => {
  const { client } = world();
  assert.equal(
    socialSignInUrl(client, "google", "/after?x=1"),
    "https://auth.example.org/auth/oauth/google/start?return_to=https%3A%2F%2Fapp.example.org%2Fafter%3Fx%3D1",
  );
});

test("another provider, with the way back in our hands", async () => {
  const { browser, client, done, issuer } = world();
  const store = browser.storage;
  const redirectUri = "https://app.example.org/back";
  const start = () => done(startSocialSignIn(client, "google", { redirectUri, store }));
  const url = new URL(await start());
  assert.equal(url.searchParams.get("redirect_uri"), redirectUri);
  const back = { url: `${redirectUri}?code=c1&state=st1&iss=https%3A%2F%2Fprovider.example`, store };
  const brought: unknown[] = [];
  issuer.disturb = (request, answer) => {
    if (!request.url.endsWith("/callback")) return undefined;
    return request.json().then((body) => (brought.push(body), answer()));
  };
  assert.equal((await done(completeSocialSignIn(client, back))).user.email, ADA.email);
  const iss = "https://provider.example";
  assert.deepEqual(brought, [{ code: "c1", state: "st1", iss, flow_secret: "fs1", delivery: "cookie" }]);
  // Once, and only in the browser that began it.
  assert.equal((await done(refusal(completeSocialSignIn(client, back)))).code, "provider_error");
  await start();
  const told = "error=access_denied&error_description=Call+555-1234+to+sign+in";
  const denied = { url: `${redirectUri}?${told}&state=st1`, store };
  const error = await done(refusal(completeSocialSignIn(client, denied)));
  assert.deepEqual([error.code, error.message], ["provider_error", "The provider says access_denied."]);
  // A link that somebody has made up says nothing in our name.
  const made = await done(refusal(completeSocialSignIn(client, { url: `${redirectUri}?${told}&state=st2`, store })));
  assert.equal(made.code, "provider_error");
  assert(!/555|denied/.test(made.message), made.message);
});

test("another provider, and an address that must be shown first", async () => {
  const { browser, client, done, issuer } = world();
  const store = browser.storage;
  const redirectUri = "https://app.example.org/back";
  await done(startSocialSignIn(client, "google", { redirectUri, store }));
  issuer.disturb = async () => Response.json({ status: "verification_required" }, { status: 202 });
  const back = completeSocialSignIn(client, { url: `${redirectUri}?code=c1&state=st1`, store });
  assert.equal((await done(refusal(back))).code, "email_not_verified");
  assert.equal(client.session, undefined);
});
