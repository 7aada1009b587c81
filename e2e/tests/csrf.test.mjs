// Pages of others in the same browser: they can sign nobody out or in, and read nothing.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before } from "node:test";
import { stage } from "../support/stage.mjs";
import { call, open, PASSWORD, shows, signUp } from "../support/tab.mjs";

const here = stage({ browser: { flags: ["--host-resolver-rules=MAP evil.example 127.0.0.1"] } });

/** Names of one server that is not ours: another site, an address instead of a name, another port of our own host. */
const HOSTS = ["evil.example", "127.0.0.1", "localhost"];
let server;
before(async () => {
  server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<title>elsewhere</title><body>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
});
after(() => {
  server?.closeAllConnections();
  server?.close();
});

const FORM = "application/x-www-form-urlencoded";

/** Sends a form as a page can, without any header of its own; resolves to the status of the answer. */
async function sendForm(tab, action, fields, enctype = FORM) {
  const [answer] = await Promise.all([
    tab.waitForResponse((answer) => answer.url() === action && answer.request().method() === "POST"),
    tab.waitForURL(action),
    tab.evaluate(
      ({ action, fields, enctype }) => {
        const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
        for (const [name, value] of Object.entries(fields)) {
          form.append(Object.assign(document.createElement("input"), { name, value }));
        }
        document.body.append(form);
        form.submit();
      },
      { action, fields, enctype },
    ),
  ]);
  return answer.status();
}

/** What a script may try with `fetch`; resolves to what it could read of the answers. */
function tryFetches(tab, auth, login) {
  return tab.evaluate(
    async ({ auth, login }) => {
      const blind = { method: "POST", mode: "no-cors" };
      const json = { "content-type": "application/json" };
      const tries = [
        ["/auth/csrf", {}],
        ["/auth/me", {}],
        ["/auth/refresh", { method: "POST" }],
        ["/auth/refresh", blind],
        ["/auth/logout", { method: "POST" }],
        ["/auth/logout", blind],
        ["/auth/logout", { method: "POST", headers: { "x-csrftoken": "x" } }],
        ["/auth/logout/all", blind],
        ["/auth/login", { ...blind, body: JSON.stringify(login) }],
        ["/auth/login", { ...blind, body: new URLSearchParams(login) }],
        ["/auth/login", { method: "POST", headers: json, body: JSON.stringify(login) }],
        ["/auth/me", { method: "PATCH", headers: json, body: JSON.stringify({ name: "Mallory" }) }],
      ];
      const read = [];
      for (const [path, init] of tries) {
        const answer = await fetch(auth + path, { credentials: "include", ...init }).catch(() => undefined);
        if (answer && answer.type !== "opaque") read.push(`${init.method ?? "GET"} ${path}: ${answer.status}`);
      }
      return read;
    },
    { auth, login },
  );
}

/** Sends every form that could end, begin or change a session; each must be refused. */
async function tryForms(tab, origin, auth, login) {
  // The body is JSON: what stands before `=` is the name, and what comes after hides in a string.
  const json = { [`${JSON.stringify(login).slice(0, -1)},"x":"`]: '"}' };
  const forms = [
    ["/auth/logout", {}],
    ["/auth/logout/all", {}],
    ["/auth/refresh", {}],
    ["/auth/login", login],
    ["/auth/login", login, "multipart/form-data"],
    ["/auth/login", json, "text/plain"],
  ];
  for (const [path, fields, enctype] of forms) {
    await tab.goto(origin);
    const status = await sendForm(tab, auth + path, fields, enctype);
    assert(status >= 400 && status < 500, `${path} ${enctype}: ${status}`);
  }
}

/** Who attacks has an account, too, and may want others to work in it. */
async function attackersLogin() {
  const context = await here.browser.newPerson();
  const email = await signUp(await open(context, here.world.page));
  await context.close();
  return { email, password: PASSWORD, delivery: "cookie" };
}

/** Our cookies in a browser. */
async function cookiesOf(context) {
  const cookies = await context.cookies();
  return cookies.filter(({ name }) => name.startsWith("pc_")).map(({ name, value }) => `${name}=${value}`).sort();
}

for (const host of HOSTS) {
  here.scene(`a page on ${host} can sign nobody out, and nobody else in`, async (context) => {
    const { page, auth } = here.world;
    const login = await attackersLogin();
    const tab = await open(context, page);
    const email = await signUp(tab);
    const cookies = await cookiesOf(context);
    assert(cookies.length > 0);

    const evil = await context.newPage();
    const origin = `http://${host}:${server.address().port}`;
    await evil.goto(origin);
    assert.deepEqual(await tryFetches(evil, auth, login), []);
    assert.deepEqual(await cookiesOf(context), cookies);
    await tryForms(evil, origin, auth, login);
    assert.deepEqual(await cookiesOf(context), cookies);

    assert.deepEqual(await call(tab, 3), { good: 3, refused: 0, failed: 0 });
    await tab.reload();
    await shows(tab, "signed-in");
    assert.equal(await tab.textContent("#who"), email);
  });

  here.scene(`a page on ${host} can sign nobody in who is signed out`, async (context) => {
    const { page, auth } = here.world;
    const login = await attackersLogin();
    const evil = await context.newPage();
    const origin = `http://${host}:${server.address().port}`;
    await evil.goto(origin);
    assert.deepEqual(await tryFetches(evil, auth, login), []);
    await tryForms(evil, origin, auth, login);
    assert.deepEqual(await cookiesOf(context), []);
    await open(context, page, "signed-out");
  });

  here.scene(`a page on ${host} can show none of ours in a frame`, async (context) => {
    const { auth } = here.world;
    const evil = await context.newPage();
    await evil.goto(`http://${host}:${server.address().port}`);
    const refused = evil.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
    await evil.evaluate((src) => document.body.append(Object.assign(document.createElement("iframe"), { src })), `${auth}/`);
    await refused;
  });
}

here.scene("a page that is trusted can, by the very same calls", async (context) => {
  const { page, auth } = here.world;
  const login = await attackersLogin();
  const tab = await open(context, page);
  const read = await tryFetches(tab, auth, login);
  assert(read.includes("GET /auth/csrf: 200"), read.join());
  await tab.reload();
  await shows(tab, "signed-in");
  assert.equal(await tab.textContent("#who"), login.email);
});
