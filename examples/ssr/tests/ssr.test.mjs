// The site with a real Portcullis, asked as a browser without scripts asks.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { freePort, startPortcullis } from "../../../sdk/typescript/scripts/portcullis.mjs";
import { createSite } from "../server.mjs";

const PASSWORD = "seven purple gates";
/** Seconds that an access token lives; a quarter of it before its end it is due. */
const LIFE = 4;
/** Milliseconds after which a test that waits has failed. */
const PATIENCE = 20_000;
let portcullis;
let server;
let site;

before(async () => {
  const port = await freePort();
  site = `http://localhost:${port}`;
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__PUBLIC_URL: site,
    PORTCULLIS_TOKENS__ACCESS_TTL: `${LIFE}s`,
  });
  server = createSite({ portcullis: portcullis.url, site }).listen(port);
  await once(server, "listening");
});

after(async () => {
  server?.closeAllConnections();
  server?.close();
  await portcullis?.stop();
});

class Browser {
  cookies = new Map();

  async ask(method, path, { form, headers } = {}) {
    const answer = await fetch(site + path, {
      method,
      redirect: "manual",
      headers: {
        cookie: [...this.cookies].map((pair) => pair.join("=")).join("; "),
        ...(method === "POST" && { origin: site }),
        ...headers,
      },
      ...(form && { body: new URLSearchParams(form) }),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  keep(answer) {
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/max-age=0/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  get = async (path) => this.keep(await this.ask("GET", path));
  post = async (path, form) => this.keep(await this.ask("POST", path, { form }));
}

let count = 0;

async function signedUp() {
  const browser = new Browser();
  const email = `user-${++count}@example.org`;
  const answer = await browser.post("/sign-in", { email, password: PASSWORD, new: "yes" });
  assert.equal(answer.status, 303, answer.text);
  assert.equal(answer.headers.get("location"), "/account");
  return { browser, email };
}

test("a visitor", async () => {
  const browser = new Browser();
  const home = await browser.get("/");
  assert.match(home.text, /Hello, whoever you are/);
  assert.deepEqual(home.headers.getSetCookie(), []);
  const account = await browser.get("/account");
  assert.deepEqual([account.status, account.headers.get("location")], [303, "/sign-in"]);
  assert.equal((await browser.get("/nothing")).status, 404);
});

test("signing up, out and in, with forms", async () => {
  const { browser, email } = await signedUp();
  assert.match((await browser.get("/account")).text, new RegExp(email));
  for (const cookie of ["pc_access", "pc_refresh"]) assert(browser.cookies.has(cookie), cookie);
  const out = await browser.post("/sign-out");
  assert.equal(out.status, 303, out.text);
  assert.deepEqual([...browser.cookies.keys()].filter((name) => /^pc_(access|refresh)$/.test(name)), []);
  assert.match((await browser.get("/")).text, /whoever you are/);
  const wrong = await browser.post("/sign-in", { email, password: "wrong, and long enough" });
  assert.equal(wrong.status, 422);
  assert.match(wrong.text, /role="alert"/);
  assert.match(wrong.text, new RegExp(`value="${email}"`));
  assert.equal((await browser.post("/sign-in", { email, password: PASSWORD })).status, 303);
  assert.match((await browser.get("/")).text, new RegExp(email));
});

test("no request ends the server", async () => {
  const socket = connect(new URL(site).port, "localhost");
  socket.end("GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let answer = "";
  for await (const part of socket) answer += part;
  assert.match(answer, /^HTTP\/1.1 400 /);
  const long = await new Browser().post("/sign-in", { email: "x".repeat(100_000) });
  assert.equal(long.status, 413);
  assert.equal((await new Browser().get("/")).status, 200);
});

test("what a user says is text on a page", async () => {
  const answer = await new Browser().post("/sign-in", { email: '"><script>alert(1)</script>', password: "x" });
  assert.equal(answer.status, 422);
  assert.doesNotMatch(answer.text, /<script>/);
});

test("fifty requests across an expiry: one refresh, everybody signed in, again and again", async () => {
  const { browser, email } = await signedUp();
  const end = Date.now() + PATIENCE;
  for (let refreshes = 0; refreshes < 3; ) {
    assert(Date.now() < end, "no token was ever due");
    const before = browser.cookies.get("pc_refresh");
    const answers = await Promise.all(Array.from({ length: 50 }, () => browser.ask("GET", "/account")));
    assert(answers.every(({ status, text }) => status === 200 && text.includes(email)));
    for (const answer of answers) browser.keep(answer);
    // Of those that asked with one token nobody got another successor than the rest.
    const successors = new Set(answers.flatMap(({ headers }) => headers.getSetCookie().filter((text) => /^pc_refresh=/.test(text))));
    assert(successors.size <= 1, [...successors].join("\n"));
    if (browser.cookies.get("pc_refresh") !== before) refreshes++;
  }
});

test("a page of another site cannot sign anybody in or out", async () => {
  const { browser } = await signedUp();
  const headers = { origin: "https://evil.example" };
  const out = await browser.ask("POST", "/sign-out", { headers });
  assert.equal(out.status, 403, out.text);
  const form = { email: "mallory@example.org", password: PASSWORD };
  assert.equal((await browser.ask("POST", "/sign-in", { form, headers })).status, 422);
  assert.match((await browser.get("/account")).text, /user-/);
});

test("Portcullis is out: a fault, nobody's cookies are cleared, and all is well afterwards", async () => {
  const { browser, email } = await signedUp();
  await portcullis.end();
  const answer = await browser.get("/account");
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.headers.getSetCookie(), []);
  await portcullis.start();
  assert.match((await browser.get("/account")).text, new RegExp(email));
});

test("/auth/ is handed on", async () => {
  const answer = await new Browser().get("/auth/config");
  assert.equal(answer.status, 200);
  assert.equal(JSON.parse(answer.text).registration.open, true);
});
