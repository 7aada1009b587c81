// No token can be read by a script, while it is used all the time.

import assert from "node:assert/strict";
import { once } from "node:events";
import { freePort } from "../../sdk/typescript/scripts/portcullis.mjs";
import { createSite } from "../../examples/ssr/server.mjs";
import { startPortcullis } from "../../sdk/typescript/scripts/portcullis.mjs";
import { searchForTokens } from "../support/search.mjs";
import { stage } from "../support/stage.mjs";
import { call, newEmail, open, PASSWORD, refresh, shows, signUp } from "../support/tab.mjs";

const here = stage();
const PLACES = ["window", "cookie", "document", "localStorage", "sessionStorage", "history", "performance", "indexedDB", "caches"];

/** Values of cookies that scripts may not read; there must be some, or nothing is shown. */
async function secretCookies(context, names) {
  const cookies = (await context.cookies()).filter(({ name }) => /^(__\w+-)?pc_/.test(name));
  assert.deepEqual(cookies.map(({ name }) => name).sort(), names);
  assert(cookies.every(({ httpOnly }) => httpOnly));
  return cookies.map(({ value }) => value);
}

async function assertNothingFound(tab, secrets) {
  const { found, looked } = await searchForTokens(tab, secrets);
  assert.deepEqual(found, []);
  assert.deepEqual(PLACES.filter((place) => !looked[place]), [], "every place was looked at");
  assert(looked.window > 10_000, `so many strings of the globals were read: ${looked.window}`);
}

here.scene("delivery cookie: a script that looks everywhere finds no token", async (context) => {
  const tab = await open(context, here.world.page);
  await signUp(tab);
  const access = await refresh(tab);
  assert.deepEqual(await call(tab, 5), { good: 5, refused: 0, failed: 0 });
  await assertNothingFound(tab, [access, ...(await secretCookies(context, ["pc_device", "pc_refresh"]))]);
  await tab.reload();
  await shows(tab, "signed-in");
  await assertNothingFound(tab, [access, ...(await secretCookies(context, ["pc_device", "pc_refresh"]))]);
});

here.scene("delivery cookies, a site rendered on a server: neither is there one", async (context) => {
  const port = await freePort();
  const site = `http://localhost:${port}`;
  const portcullis = await startPortcullis({ PORTCULLIS_SERVER__PUBLIC_URL: site });
  const server = createSite({ portcullis: portcullis.url, site }).listen(port, "127.0.0.1");
  await once(server, "listening");
  try {
    const tab = await context.newPage();
    await tab.goto(`${site}/sign-in`);
    await tab.fill("[name=email]", newEmail());
    await tab.fill("[name=password]", PASSWORD);
    await tab.click("[name=new]");
    await tab.waitForURL(`${site}/account`);
    await assertNothingFound(tab, await secretCookies(context, ["pc_access", "pc_device", "pc_refresh"]));
  } finally {
    server.closeAllConnections();
    server.close();
    await portcullis.stop();
  }
});

here.scene("the search finds a token wherever one is put", async (context) => {
  const tab = await open(context, here.world.page);
  await signUp(tab);
  const access = await refresh(tab);
  const hides = {
    "a global": (token) => (globalThis.mine = { deep: [new Map([["x", { token }]])] }),
    "a property of an element": (token) => (document.getElementById("who").token = token),
    "what a function has": (token) => (globalThis.fetch.last = token),
    "a symbol's property": (token) => (document[Symbol("x")] = token),
    "bytes": (token) => (globalThis.bytes = new TextEncoder().encode(token)),
    "a field": (token) => (document.getElementById("name").value = token),
    "a getter of a class": (token) => (globalThis.mine = new (class { get token() { return token; } })()),
    "document.cookie": (token) => (document.cookie = `mine=${token}`),
    localStorage: (token) => localStorage.setItem("x", token),
    sessionStorage: (token) => sessionStorage.setItem(token, "x"),
    "the history": (token) => history.replaceState({ token }, ""),
    caches: async (token) => (await caches.open("c")).put("/x", new Response(token)),
    indexedDB: (token) =>
      new Promise((resolve) => {
        const opening = indexedDB.open("d");
        opening.onupgradeneeded = () => opening.result.createObjectStore("s");
        opening.onsuccess = () => {
          const change = opening.result.transaction("s", "readwrite");
          change.objectStore("s").put({ token }, 1);
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
  };
  for (const [place, hide] of Object.entries(hides)) {
    await tab.evaluate(`(${hide})(${JSON.stringify(access)})`);
    const { found } = await searchForTokens(tab, [access]);
    assert(found.length > 0, place);
    await tab.evaluate(async () => {
      localStorage.clear();
      sessionStorage.clear();
      document.cookie = "mine=; max-age=0";
      await caches.delete("c");
      indexedDB.deleteDatabase("d");
      history.replaceState(null, "");
    });
    await tab.reload();
    await shows(tab, "signed-in");
    assert.deepEqual((await searchForTokens(tab, [access])).found, [], `nothing is left of ${place}`);
  }
});
