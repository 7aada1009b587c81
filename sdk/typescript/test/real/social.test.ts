/** Other providers, with a real Portcullis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Portcullis, startPortcullis } from "../../scripts/portcullis.mjs";
import {
  completeLink,
  completeSocialSignIn,
  listIdentities,
  startLink,
  startSocialSignIn,
  unlinkIdentity,
} from "../../src/index.js";
import { type FakeProvider, startProvider } from "../support/fake-provider.js";
import { closeAll, Jar, memory, PASSWORD } from "../support/real.js";
import { refusal } from "../support/world.js";

const APP = "http://localhost:8999";
const redirectUri = `${APP}/signed-in`;
const ADA = { sub: "ada-there", email: "ada@example.org", email_verified: true };
let provider: FakeProvider;
let portcullis: Portcullis;

before(async () => {
  provider = await startProvider();
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: APP,
    PORTCULLIS_SERVER__RETURN_URLS: redirectUri,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: APP,
    ...provider.settings,
  });
});
after(async () => {
  closeAll();
  provider?.close();
  await portcullis?.stop();
});

test("by a provider that says who it is on the way back, and is believed only with that", async () => {
  const client = new Jar(APP).tab(portcullis.url);
  const store = memory();
  const start = () => startSocialSignIn(client, "acme", { redirectUri, store });
  const session = await completeSocialSignIn(client, { url: provider.authorize(await start(), ADA), store });
  assert.equal(session.user.email, ADA.email);
  assert.equal((await client.refresh())?.id, session.id);
  const silent = new URL(provider.authorize(await start(), ADA));
  silent.searchParams.delete("iss");
  assert.equal((await refusal(completeSocialSignIn(client, { url: silent.href, store }))).code, "provider_error");
});

test("linking, and unlinking while there is another way in", async () => {
  const client = new Jar(APP).tab(portcullis.url);
  const store = memory();
  await client.register({ email: "bob@example.org", password: PASSWORD });
  const there = { sub: "bob-there", email: "robert@example.org", email_verified: true };
  const link = async (person: typeof there) =>
    completeLink(client, { url: provider.authorize(await startLink(client, "acme", { redirectUri, store }), person), store });
  const identity = await link(there);
  assert.deepEqual([identity.provider, identity.email], ["acme", "robert@example.org"]);
  assert.deepEqual((await listIdentities(client)).items.map(({ id }) => id), [identity.id]);
  assert.equal((await refusal(link(ADA))).code, "identity_taken");
  const elsewhere = new Jar(APP).tab(portcullis.url);
  const start = { redirectUri, store, fresh: true };
  const url = provider.authorize(await startSocialSignIn(elsewhere, "acme", start), there);
  assert.equal((await completeSocialSignIn(elsewhere, { url, store })).user.email, "bob@example.org");
  await unlinkIdentity(client, identity.id);
  assert.deepEqual((await listIdentities(client)).items, []);
});
