// Signing in by way of an identity provider that others have written, on another site.

import assert from "node:assert/strict";
import { after } from "node:test";
import { startProvider } from "../support/provider.mjs";
import { stage } from "../support/stage.mjs";
import { newEmail, PASSWORD } from "../support/tab.mjs";

let provider;
const here = stage({
  async settings() {
    provider = await startProvider("acme", () => at("/auth/oauth/acme/callback"));
    return provider.settings;
  },
});
const at = (path) => here.world.auth + path;

after(() => provider?.close());

/** The button of the provider on the sign-in page, and all that it leads to. */
async function signIn(page, id) {
  await page.goto(at("/sign-in?return_to=/account"));
  await page.click("text=The Fellowship");
  await provider.signIn(page, id);
}

/** From now on the access token is not accepted, and the refresh token beside it is. */
async function spoilAccess(context) {
  const held = (await context.cookies()).find(({ name }) => name === "pc_access");
  await context.addCookies([{ ...held, value: `${held.value.slice(0, -6)}AAAAAA` }]);
  return held.value;
}

here.scene("somebody new comes by the provider, and their first refresh works", async (context) => {
  const page = await context.newPage();
  const email = newEmail();
  provider.people.set("frodo", { email, email_verified: true, name: "Frodo" });
  await signIn(page, "frodo");
  await page.waitForURL(at("/account"));
  assert.equal(await page.textContent("#email"), email);
  const before = await spoilAccess(context);
  await page.goto(at("/account"));
  assert.equal(await page.textContent("#email"), email);
  const held = (await context.cookies()).find(({ name }) => name === "pc_access");
  assert.notEqual(held.value, before);
  assert.equal(await page.locator(".sessions:last-of-type li .mark").count(), 1);
  // Once more, from another browser: the same person, who is known to the provider there already.
  const elsewhere = await here.browser.newPerson();
  const there = await elsewhere.newPage();
  await signIn(there, "frodo");
  await there.waitForURL(at("/account"));
  assert.equal(await there.textContent("#email"), email);
  await elsewhere.close();
});

here.scene("a provider is added on the account page, and signs in the same person afterwards", async (context) => {
  const page = await context.newPage();
  const email = newEmail();
  provider.people.set("sam", { email: newEmail(), email_verified: true });
  await page.goto(at("/sign-up?return_to=/account"));
  await page.fill("[name=email]", email);
  await page.fill("[name=password]", PASSWORD);
  await page.click("#submit");
  await page.waitForURL(at("/account"));
  await page.click("button[name=link][value=acme]");
  await provider.signIn(page, "sam");
  await page.waitForURL(at("/account"));
  await page.waitForSelector("button[name=unlink]");
  await page.goto(at("/sign-out"));
  await page.click("#submit");
  await page.waitForSelector("text=You are signed out");
  // The provider knows them still, and asks nothing.
  await page.goto(at("/sign-in?return_to=/account"));
  await page.click("text=The Fellowship");
  await page.waitForURL(at("/account"));
  assert.equal(await page.textContent("#email"), email);
});

here.scene("who has an address of somebody else there is not that person here", async (context) => {
  const victim = await context.newPage();
  const email = newEmail();
  await victim.goto(at("/sign-up?return_to=/account"));
  await victim.fill("[name=email]", email);
  await victim.fill("[name=password]", PASSWORD);
  await victim.click("#submit");
  await victim.waitForURL(at("/account"));
  const elsewhere = await here.browser.newPerson();
  const page = await elsewhere.newPage();
  provider.people.set("gollum", { email, email_verified: false });
  await signIn(page, "gollum");
  await page.waitForURL((url) => url.origin === here.world.auth);
  assert.equal((await elsewhere.cookies(here.world.auth)).some(({ name }) => name === "pc_access"), false);
  await elsewhere.close();
});

here.scene("who does not agree there is at the sign-in page, and told so", async (context) => {
  const page = await context.newPage();
  await page.goto(at("/sign-in?return_to=/account"));
  await page.click("text=The Fellowship");
  await page.fill("[name=login]", "saruman");
  await page.fill("[name=password]", "any");
  await page.click("button[type=submit]");
  await page.click("text=Cancel");
  await page.waitForSelector("#message[data-code=provider_error]");
  assert.equal(await page.locator("#password").count(), 1);
});
