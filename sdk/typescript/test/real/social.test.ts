/** Other providers, with a real Portcullis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Portcullis, startPortcullis } from "../../scripts/portcullis.mjs";
import { completeSocialSignIn, startSocialSignIn } from "../../src/index.js";
import { type FakeProvider, startProvider } from "../support/fake-provider.js";
import { closeAll, Jar, memory } from "../support/real.js";
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
