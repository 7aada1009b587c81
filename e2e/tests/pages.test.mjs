// Our own pages, without a script: signing up, out and in, sessions, and access tokens that run out.

import assert from "node:assert/strict";
import { stage } from "../support/stage.mjs";
import { newEmail, PASSWORD } from "../support/tab.mjs";

const here = stage();
const at = (path) => here.world.auth + path;

/** Fills the form of a page in, and sends it. */
async function send(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill(`[name=${name}]`, value);
  await page.click("#submit");
}

/** Somebody new at the account page. */
async function signedUp(context, email = newEmail()) {
  const page = await context.newPage();
  await page.goto(at("/sign-up?return_to=/account"));
  await send(page, { email, password: PASSWORD });
  await page.waitForURL(at("/account"));
  assert.equal(await page.textContent("#email"), email);
  return { page, email };
}

/** Where an address leads. */
async function leadsTo(page, path) {
  await page.goto(at(path));
  return new URL(page.url()).pathname;
}

here.scene("sign up, out, in with a wrong password, and in", async (context) => {
  const { page, email } = await signedUp(context);
  await page.goto(at("/sign-out"));
  await page.click("#submit");
  await page.waitForSelector("text=You are signed out");
  assert.equal(await leadsTo(page, "/account"), "/sign-in");
  await send(page, { email, password: "wrong, and long enough" });
  await page.waitForSelector('#message[data-code="invalid_credentials"]');
  assert.equal(await page.inputValue("#email"), email);
  await send(page, { password: PASSWORD });
  await page.waitForURL(at("/account"));
  assert.equal(await page.textContent("#email"), email);
});

here.scene("signed out in one tab: the other is at its next step", async (context) => {
  const { page } = await signedUp(context);
  const other = await context.newPage();
  await other.goto(at("/sign-out"));
  await other.click("#submit");
  await other.waitForSelector("text=You are signed out");
  assert.equal(await leadsTo(page, "/account"), "/sign-in");
  // And going back shows no account.
  await page.goBack();
  await page.waitForSelector("#password");
});

here.scene("a session is ended from another browser", async (context) => {
  const { page, email } = await signedUp(context);
  const elsewhere = await here.browser.newPerson();
  const there = await elsewhere.newPage();
  await there.goto(at("/sign-in?return_to=/account"));
  await send(there, { email, password: PASSWORD });
  await there.waitForURL(at("/account"));
  await there.click("li:not(:has(.mark)) button[name=session]");
  await there.waitForFunction(() => document.querySelectorAll(".sessions li").length === 1);
  assert.equal(await leadsTo(page, "/account"), "/sign-in");
  assert.equal(await leadsTo(there, "/account"), "/account");
  await elsewhere.close();
});

here.scene("access tokens that have run out: ten tabs load at once, and all are signed in, ten times", async (context) => {
  const { page, email } = await signedUp(context);
  const tabs = [page];
  while (tabs.length < 10) tabs.push(await context.newPage());
  for (let time = 1; time <= 10; time++) {
    // As good as one that has run out: it is not accepted, and the refresh token beside it is.
    const held = (await context.cookies()).find(({ name }) => name === "pc_access");
    await context.addCookies([{ ...held, value: `${held.value.slice(0, -6)}AAAAAA` }]);
    await Promise.all(tabs.map((tab) => tab.goto(at("/account"))));
    for (const tab of tabs) assert.equal(await tab.textContent("#email"), email, `time ${time}`);
    const renewed = (await context.cookies()).find(({ name }) => name === "pc_access");
    assert(!renewed.value.endsWith("AAAAAA"));
  }
});

here.scene("without JavaScript", async () => {
  const context = await here.browser.newPerson({ javaScriptEnabled: false });
  const { page } = await signedUp(context);
  await page.click("text=Sign out");
  await page.click("#submit");
  await page.waitForSelector("text=You are signed out");
  await context.close();
});
