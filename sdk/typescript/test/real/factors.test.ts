/** Second factors, step-ups and passkeys with a real Portcullis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Portcullis, startPortcullis } from "../../scripts/portcullis.mjs";
import {
  beginPasskey,
  beginPasskeyLogin,
  beginTotp,
  type Client,
  confirmTotp,
  createPasskey,
  finishPasskey,
  finishPasskeyLogin,
  forgetDevice,
  FreshLoginRequired,
  listFactors,
  listPasskeys,
  listSessions,
  makeRecoveryCodes,
  removeFactor,
  removePasskey,
  renamePasskey,
  SecondFactorRequired,
  showPasskey,
  stepUp,
} from "../../src/index.js";
import { closeAll, Jar, newcomer, PASSWORD } from "../support/real.js";
import { SecurityKey } from "../support/security-key.js";
import { codeOf } from "../support/totp.js";
import { refusal } from "../support/world.js";

const APP = "http://localhost:8999";
let portcullis: Portcullis;

before(async () => {
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: APP,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: APP,
    PORTCULLIS_PASSKEYS__ORIGINS: APP,
  });
});
after(async () => {
  closeAll();
  await portcullis?.stop();
});

const signedUp = () => newcomer(APP, portcullis.url);

/** The first half of a sign-in. */
async function owing(client: Client, email: string): Promise<SecondFactorRequired> {
  const error = await refusal(client.login({ email, password: PASSWORD }));
  assert(error instanceof SecondFactorRequired, error.message);
  return error;
}

/** How the session has been signed in. */
async function methods(client: Client): Promise<readonly string[] | undefined> {
  return (await listSessions(client)).items.find(({ current }) => current)?.methods;
}

test("an app is set up, asked for, shown once more, and removed", async () => {
  const { client, email } = await signedUp();
  const { secret, qr_code } = await beginTotp(client);
  assert(qr_code.startsWith("<svg") || qr_code.includes("<svg"));
  assert.equal((await refusal(confirmTotp(client, "000000"))).code, "wrong_code");
  const { session, factorId, recoveryCodes } = await confirmTotp(client, codeOf(secret));
  assert.deepEqual([session, recoveryCodes.length], [client.session, 10]);
  const listed = await listFactors(client);
  assert.deepEqual([listed.items.map(({ id, kind }) => [id, kind]), listed.recovery_codes], [[[factorId, "totp"]], 10]);
  await client.logout();

  const { challenge, methods: ways } = await owing(client, email);
  assert.deepEqual(ways, ["totp", "recovery_code"]);
  const answer = { challenge, method: "recovery_code", rememberDevice: true };
  assert.equal((await refusal(client.loginWithFactor({ ...answer, code: "wrong" }))).code, "wrong_code");
  assert.equal((await client.loginWithFactor({ ...answer, code: recoveryCodes[0] ?? "" })).user.email, email);
  assert.deepEqual(await methods(client), ["pwd", "recovery", "mfa"]);
  await client.logout();

  // On this device the password does, but not for everything.
  await client.login({ email, password: PASSWORD });
  const error = await refusal(removeFactor(client, factorId));
  assert(error instanceof FreshLoginRequired);
  assert.deepEqual(error.methods, ["totp", "recovery_code"]);
  const owed = await refusal(stepUp(client, { password: PASSWORD }));
  assert(owed instanceof SecondFactorRequired);
  assert.deepEqual(owed.methods, ["totp", "recovery_code"]);
  // Codes are good once each, and this is the one after.
  const { id } = await stepUp(client, { method: "totp", code: codeOf(secret, 1) });
  assert.equal(id, client.session?.id);
  assert.deepEqual(await methods(client), ["pwd", "otp", "mfa"]);
  const codes = await makeRecoveryCodes(client);
  assert(codes.length === 10 && !codes.includes(recoveryCodes[1] ?? ""));
  const [device] = (await listFactors(client)).trusted_devices;
  await forgetDevice(client, device?.id ?? "");
  assert.deepEqual((await listFactors(client)).trusted_devices, []);
  await removeFactor(client, factorId);
  assert.deepEqual((await listFactors(client)).items, []);
  assert.equal((await new Jar(APP).tab(portcullis.url).login({ email, password: PASSWORD })).user.email, email);
});

test("a passkey is made, signs in, is the second factor, and goes", async () => {
  const key = new SecurityKey(APP);
  key.install();
  const { client, email } = await signedUp();
  const { passkey, recoveryCodes, session } = await finishPasskey(client, {
    ...(await createPasskey(await beginPasskey(client))),
    name: "Phone",
  });
  assert.deepEqual([passkey.name, recoveryCodes.length, session], ["Phone", 10, client.session]);
  assert.equal((await renamePasskey(client, passkey.id, "Key")).name, "Key");
  assert.deepEqual((await listPasskeys(client)).items.map(({ id, name }) => [id, name]), [[passkey.id, "Key"]]);
  await client.logout();

  const shown = await showPasskey(await beginPasskeyLogin(client));
  assert.equal((await finishPasskeyLogin(client, shown)).user.email, email);
  assert.deepEqual(await methods(client), ["hwk", "user", "mfa"]);
  const renewed = await stepUp(client, { method: "passkey", ...(await showPasskey(await beginPasskeyLogin(client))) });
  assert.equal(renewed.id, client.session?.id);
  assert.equal((await refusal(finishPasskeyLogin(client, shown))).code, "passkey_refused");
  await client.logout();

  const { challenge, methods: ways } = await owing(client, email);
  assert.deepEqual(ways, ["passkey", "recovery_code"]);
  const second = await showPasskey(await beginPasskeyLogin(client, { challenge }));
  assert.equal(key.asked?.allowCredentials?.length, 1);
  await client.loginWithFactor({ challenge, method: "passkey", ...second });
  assert.deepEqual(await methods(client), ["pwd", "hwk", "user", "mfa"]);
  await removePasskey(client, passkey.id);
  assert.deepEqual((await listPasskeys(client)).items, []);
});

test("a role that needs a factor", async () => {
  const { client, email } = await signedUp();
  assert.equal(client.session?.mustSetUpFactor, false);
  const strict = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: APP,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: APP,
    PORTCULLIS_LOGIN__REQUIRE_FACTOR: "user",
  });
  try {
    const there = new Jar(APP).tab(strict.url);
    await there.register({ email, password: PASSWORD });
    assert.equal(there.session?.mustSetUpFactor, true);
    assert.equal((await refusal(listSessions(there))).code, "factor_setup_required");
    const { secret } = await beginTotp(there);
    await confirmTotp(there, codeOf(secret));
    assert.equal(there.session?.mustSetUpFactor, false);
    assert.equal((await listSessions(there)).items.length, 1);
    const [factor] = (await listFactors(there)).items;
    assert.equal((await refusal(removeFactor(there, factor?.id ?? ""))).code, "factor_required");
  } finally {
    await strict.stop();
  }
});
