// Signing in and out, over tabs and loading.

import assert from "node:assert/strict";
import { stage } from "../support/stage.mjs";
import { watchRefreshes } from "../support/refreshes.mjs";
import { call, enter, events, newEmail, open, shows, signIn, signOut, signUp } from "../support/tab.mjs";

const here = stage();

here.scene("sign up, out, in with a wrong password, and in", async (context) => {
  const tab = await open(context, here.world.page);
  const email = await signUp(tab);
  await signOut(tab);
  await enter(tab, email, "#sign-in", "wrong, and long enough");
  await tab.waitForSelector('#message[data-code="invalid_credentials"]');
  await signIn(tab, email);
  assert.deepEqual(await call(tab, 3), { good: 3, refused: 0, failed: 0 });
});

here.scene("loading the page again: signed in, by one refresh from the cookie", async (context) => {
  const tab = await open(context, here.world.page);
  const email = await signUp(tab);
  const refreshes = watchRefreshes(context, here.world);
  for (let times = 1; times <= 3; times++) {
    await tab.reload();
    await shows(tab, "signed-in");
    assert.equal(await tab.textContent("#who"), email);
    assert.deepEqual(await call(tab, 3), { good: 3, refused: 0, failed: 0 });
    assert.equal(refreshes.count, times);
  }
});

here.scene("a second tab takes the token of the first, without a refresh", async (context) => {
  const first = await open(context, here.world.page);
  await signUp(first);
  const refreshes = watchRefreshes(context, here.world);
  const second = await open(context, here.world.page, "signed-in");
  assert.deepEqual(await call(second, 3), { good: 3, refused: 0, failed: 0 });
  assert.equal(refreshes.count, 0);
});

here.scene("signing in and out in one tab does so in the other", async (context) => {
  const [one, two] = [await open(context, here.world.page), await open(context, here.world.page)];
  const email = await signUp(one);
  await shows(two, "signed-in");
  await signOut(two);
  await shows(one, "signed-out");
  assert((await events(one)).includes("signed out: signed_out"));
  await one.reload();
  await shows(one, "signed-out");
  await signIn(two, email);
  await shows(one, "signed-in");
});

here.scene("somebody else signs in: all tabs show who it is now", async (context) => {
  const [one, two] = [await open(context, here.world.page), await open(context, here.world.page)];
  await signUp(one);
  await shows(two, "signed-in");
  await signOut(one);
  const other = await signUp(one, newEmail());
  await two.waitForFunction((email) => document.getElementById("who").textContent === email, other);
  assert.deepEqual(await call(two, 3), { good: 3, refused: 0, failed: 0 });
});

here.scene("signing out everywhere ends the session in another browser", async (context) => {
  const elsewhere = await here.browser.newPerson();
  const there = await open(elsewhere, here.world.page);
  const email = await signUp(there);
  const tab = await open(context, here.world.page);
  await signIn(tab, email);
  await tab.click("#sign-out-everywhere");
  await shows(tab, "signed-out");
  await there.reload();
  await shows(there, "signed-out");
  await elsewhere.close();
});

here.scene("a stream is shown word by word, and can be stopped", async (context) => {
  const tab = await open(context, here.world.page);
  await signUp(tab);
  await tab.fill("#words", Array.from({ length: 500 }, (_, at) => `word${at}`).join(" "));
  await tab.click("#say");
  await tab.waitForFunction(() => document.getElementById("reply").textContent.includes("word3 "));
  await tab.click("#stop");
  await tab.waitForSelector("#stop[disabled]");
  const reply = await tab.textContent("#reply");
  assert(!reply.includes("word499"), "it was stopped before its end");
});
