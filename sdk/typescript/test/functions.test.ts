import assert from "node:assert/strict";
import { test } from "node:test";
import {
  beginPasskey,
  beginPasskeyLogin,
  beginTotp,
  changePassword,
  completeLink,
  completeSocialSignIn,
  confirmTotp,
  endSession,
  finishPasskey,
  finishPasskeyLogin,
  forgetDevice,
  forgotPassword,
  FreshLoginRequired,
  getConfig,
  listFactors,
  listIdentities,
  listPasskeys,
  listSessions,
  makeRecoveryCodes,
  removeFactor,
  removePasskey,
  renamePasskey,
  resetPassword,
  sendVerification,
  socialSignInUrl,
  startLink,
  startSocialSignIn,
  stepUp,
  unlinkIdentity,
  updateUser,
  verifyEmail,
  verifyResetToken,
} from "../src/index.js";
import { problem } from "./support/fake-issuer.js";
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
    () => stepUp(client, { password: "x" }),
    () => listFactors(client),
    () => removeFactor(client, "1"),
    () => forgetDevice(client, "1"),
    () => beginTotp(client),
    () => confirmTotp(client, "123456"),
    () => makeRecoveryCodes(client),
    () => listPasskeys(client),
    () => renamePasskey(client, "1", "x"),
    () => removePasskey(client, "1"),
    () => beginPasskey(client),
    () => finishPasskey(client, { ceremony: "c", credential: {} }),
    () => listIdentities(client),
    () => unlinkIdentity(client, "1"),
    () => startLink(client, "google", { redirectUri: "https://app.example.org/back" }),
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
  await done(listFactors(client));
  await done(forgetDevice(client, "a/b"));
  await done(beginTotp(client));
  await done(makeRecoveryCodes(client));
  await done(listPasskeys(client));
  await done(renamePasskey(client, "a/b", "Phone"));
  await done(beginPasskey(client));
  await done(beginPasskeyLogin(client));
  await done(beginPasskeyLogin(client, { challenge: "ch_1" }));
  await done(listIdentities(client));
  await done(unlinkIdentity(client, "a/b"));
  assert.deepEqual(asked, [
    "GET /auth/sessions?limit=5&cursor=a+b",
    "DELETE /auth/sessions/a%2Fb",
    "GET /auth/config",
    'PATCH /auth/me {"name":null}',
    'POST /auth/password/reset {"token":"t","new_password":"p","revoke_api_tokens":false}',
    "GET /auth/factors",
    "DELETE /auth/factors/devices/a%2Fb",
    "POST /auth/factors/totp",
    "POST /auth/factors/recovery-codes",
    "GET /auth/passkeys",
    'PATCH /auth/passkeys/a%2Fb {"name":"Phone"}',
    "POST /auth/passkeys/register/start",
    "POST /auth/passkeys/login/start {}",
    'POST /auth/passkeys/login/start {"challenge":"ch_1"}',
    "GET /auth/identities",
    "DELETE /auth/identities/a%2Fb",
  ]);
});

test("what ends the access tokens that are out is followed by a new one", async () => {
  const { client, done, issuer } = await signedIn();
  for (const [call, path] of [
    [removeFactor, "/auth/factors/a%2Fb"],
    [removePasskey, "/auth/passkeys/a%2Fb"],
  ] as const) {
    issuer.disturb = async (request, answer) => {
      if (request.method !== "DELETE") return answer();
      for (const session of issuer.sessions.values()) session.deadUpTo = session.gen;
      return new Response(null, { status: 204 });
    };
    const before = await done(client.getAccessToken());
    await done(call(client, "a/b"));
    assert.equal(issuer.count(`DELETE ${path} 204`), 1);
    assert.notEqual(await done(client.getAccessToken()), before);
    assert.equal(issuer.isGood(`Bearer ${await done(client.getAccessToken())}`), true);
    // It has been removed, whatever becomes of that.
    issuer.disturb = async ({ method }) => (method === "DELETE" ? new Response(null, { status: 204 }) : problem(503, "overloaded"));
    await done(call(client, "c"));
  }
});

test("a sign-in that is too old says by what it can be renewed", async () => {
  const { client, done, issuer } = await signedIn();
  const asked: string[] = [];
  issuer.disturb = async (request, answer) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/auth/identities/1") {
      return problem(403, "fresh_login_required", { max_age: 600, methods: ["passkey", "totp"] });
    }
    if (pathname !== "/auth/step-up") return answer();
    asked.push(await request.clone().text());
    return issuer.renewed(request);
  };
  const error = await done(refusal(unlinkIdentity(client, "1")));
  assert(error instanceof FreshLoginRequired);
  assert.deepEqual(error.methods, ["passkey", "totp"]);
  const before = await done(client.getAccessToken());
  await done(stepUp(client, { password: "p" }));
  const session = await done(stepUp(client, { method: "passkey", ceremony: "c", credential: { id: "x" } }));
  assert.deepEqual(asked, ['{"password":"p"}', '{"method":"passkey","ceremony":"c","credential":{"id":"x"}}']);
  assert.deepEqual(client.session, session);
  assert.notEqual(await done(client.getAccessToken()), before);
});

test("an app and a passkey are put to use with new tokens, none of which comes out", async () => {
  const { client, done, issuer } = await signedIn();
  const asked: unknown[] = [];
  const passkey = { id: "1", name: "Phone", backed_up: false, created_at: "2026-01-01T00:00:00Z" };
  issuer.disturb = async (request, answer) => {
    if (!/confirm|finish/.test(request.url)) return answer();
    asked.push(await request.clone().json());
    return issuer.renewed(request, { factor_id: "f1", recovery_codes: ["aaaa-bbbb"], passkey });
  };
  const { session, ...confirmed } = await done(confirmTotp(client, "123456"));
  assert.deepEqual(confirmed, { factorId: "f1", recoveryCodes: ["aaaa-bbbb"] });
  assert.deepEqual(client.session, session);
  const made = { ceremony: "c", credential: { id: "x" }, name: "Phone" };
  const { session: same, ...added } = await done(finishPasskey(client, made));
  assert.deepEqual([added, same.id], [{ passkey, recoveryCodes: ["aaaa-bbbb"] }, session.id]);
  assert.deepEqual(asked, [{ code: "123456" }, made]);
  assert.equal((await done(client.fetch(THINGS))).status, 200);
});

test("signing in by a passkey", async () => {
  const { client, done, issuer } = world();
  issuer.disturb = async (request, answer) => {
    if (!request.url.endsWith("/finish")) return answer();
    assert.deepEqual(await request.clone().json(), { ceremony: "c", credential: { id: "x" }, delivery: "cookie" });
    return issuer.newSession(ADA.email);
  };
  const session = await done(finishPasskeyLogin(client, { ceremony: "c", credential: { id: "x" } }));
  assert.equal(session.user.email, ADA.email);
  assert.equal((await done(client.fetch(THINGS))).status, 200);
});

test("linking another provider", async () => {
  const { browser, client, done, issuer } = await signedIn();
  const store = browser.storage;
  const redirectUri = "https://app.example.org/back";
  const identity = { id: "i1", provider: "google", title: "Google", created_at: "2026-01-01T00:00:00Z" };
  const asked: string[] = [];
  issuer.disturb = async (request) => {
    asked.push(`${new URL(request.url).pathname} ${await request.text()} ${request.headers.has("authorization")}`);
    const started = { authorization_url: "https://provider.example/?state=st1", state: "st1", flow_secret: "fs1" };
    return Response.json(request.url.endsWith("/link") ? started : identity);
  };
  assert.equal(await done(startLink(client, "google", { redirectUri, store })), "https://provider.example/?state=st1");
  const back = { url: `${redirectUri}?code=c1&state=st1&iss=i`, store };
  assert.deepEqual(await done(completeLink(client, back)), identity);
  assert.deepEqual(asked, [
    `/auth/oauth/google/link {"redirect_uri":"${redirectUri}"} true`,
    '/auth/oauth/google/callback {"code":"c1","state":"st1","iss":"i","flow_secret":"fs1"} false',
  ]);
  assert.equal((await done(refusal(completeLink(client, back)))).code, "provider_error");
});

test("another provider, by way of Portcullis", () => {
  const { client } = world();
  assert.equal(
    socialSignInUrl(client, "google", "/after?x=1"),
    "https://auth.example.org/auth/oauth/google/start?return_to=https%3A%2F%2Fapp.example.org%2Fafter%3Fx%3D1",
  );
  assert(socialSignInUrl(client, "google", "/", { fresh: true }).endsWith("&max_age=0"));
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
