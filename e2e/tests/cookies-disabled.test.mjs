// Somebody who lets no site keep cookies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { recorded, stage } from "../support/stage.mjs";
import { call, enter, newEmail, shows } from "../support/tab.mjs";

const BLOCK = 2;
const here = stage({
  browser: { preferences: { profile: { default_content_setting_values: { cookies: BLOCK } } } },
});

test("cookies disabled: the page works as for anybody who is signed out, and says why nobody can sign in", (t) =>
  recorded(t.name, here.browser.profile, async () => {
    const tab = await here.browser.newWindow(here.world.page);
    // Chromium says even so that cookies are enabled.
    assert.equal(await tab.evaluate(() => ((document.cookie = "a=b"), document.cookie)), "");
    await shows(tab, "signed-out");
    const asked = [];
    tab.on("request", (request) => asked.push(request.url()));
    for (const button of ["#sign-up", "#sign-in"]) {
      await enter(tab, newEmail(), button);
      await tab.waitForSelector('#message[data-code="cookies_disabled"]');
      await shows(tab, "signed-out");
    }
    // No session is begun that could not be kept.
    assert(!asked.some((url) => /register|login/.test(url)), asked.join());
    assert.deepEqual(await call(tab, 3), { good: 0, refused: 3, failed: 0 });
    assert.deepEqual(await here.browser.profile.cookies(), []);
  }));
