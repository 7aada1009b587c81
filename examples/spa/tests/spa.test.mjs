// The page's server and the page's code with a real Portcullis. What needs a browser is tested in e2e/.

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { createClient } from "../../../sdk/typescript/dist/index.js";
import { freePort, startPortcullis } from "../../../sdk/typescript/scripts/portcullis.mjs";
import { createSite } from "../server.mjs";

const PASSWORD = "seven purple gates";
let portcullis;
let site;
let page;

before(async () => {
  const port = await freePort();
  page = `http://localhost:${port}`;
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: page,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: page,
  });
  site = createSite({ portcullis: portcullis.url, pace: 1 }).listen(port);
  await once(site, "listening");
});

after(async () => {
  site?.closeAllConnections();
  site?.close();
  await portcullis?.stop();
});

/** The client as the page has it, in a browser that is a jar of cookies and nothing more. */
function browser() {
  const jar = new Map();
  return createClient({
    baseUrl: portcullis.url,
    services: [page],
    async fetch(input, init) {
      const headers = new Headers(init?.headers);
      headers.set("origin", page);
      if (init?.credentials === "include") headers.set("cookie", [...jar].map((pair) => pair.join("=")).join("; "));
      const answer = await fetch(input, { ...init, headers });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
        if (/max-age=0/i.test(cookie)) jar.delete(name);
        else jar.set(name, value);
      }
      return answer;
    },
  });
}

test("the page: its own scripts and no others, and where Portcullis is", async () => {
  const answer = await fetch(page);
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  assert(policy.includes(`connect-src 'self' ${portcullis.url};`));
  const html = await answer.text();
  assert(html.includes(`content="${portcullis.url}"`));
  assert.doesNotMatch(html, /<script(?![^>]* src=)/);
  for (const path of ["/app.js", "/style.css", "/icon.svg", "/sdk/index.js", "/sdk/lib/engine.js"]) {
    assert.equal((await fetch(page + path)).status, 200, path);
  }
});

test("nothing but the page's files", async () => {
  for (const path of ["/server.mjs", "/..%2fserver.mjs", "/sdk/..%2fpackage.json", "/sdk/../../package.json", "/nothing.js"]) {
    assert.equal((await fetch(page + path)).status, 404, path);
  }
});

test("who has no good token is refused, as services of Portcullis do it", async () => {
  for (const authorization of ["", "Bearer x", "Bearer a.b.c", "Basic eDp5"]) {
    const answer = await fetch(`${page}/things`, { headers: { authorization } });
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
    assert.equal((await answer.json()).code, "invalid_token");
  }
});

/** Sends bytes as they are; the status of the answer. */
async function raw(bytes) {
  const socket = connect(new URL(page).port, "localhost").end(bytes);
  let answer = "";
  for await (const part of socket) answer += part;
  return Number(answer.split(" ")[1]);
}

test("no request ends the server", async () => {
  assert.equal(await raw("GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 400);
  assert.equal((await fetch(page)).status, 200);
});

test("a Portcullis that is out is a fault and no refusal", async () => {
  const lonely = createSite({ portcullis: `http://localhost:${await freePort()}` }).listen(0);
  await once(lonely, "listening");
  const head = Buffer.from(JSON.stringify({ typ: "at+jwt", alg: "ES256", kid: "x" })).toString("base64url");
  const headers = { authorization: `Bearer ${head}.e30.c2ln` };
  const answer = await fetch(`http://localhost:${lonely.address().port}/things`, { headers });
  assert.equal(answer.status, 503);
  lonely.closeAllConnections();
  lonely.close();
});

test("who only looks may look, and says nothing", async () => {
  // A token of an administrator who acts as somebody, from an issuer that makes no other.
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = createServer((_, response) =>
    response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "key", alg: "ES256" }] })),
  ).listen(0);
  await once(issuer, "listening");
  const iss = `http://localhost:${issuer.address().port}`;
  const here = createSite({ portcullis: iss }).listen(0);
  await once(here, "listening");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = { iss, aud: [iss], sub: "bob", sid: "s", gen: 1, exp, read_only: true, act: { sub: "ada" } };
  const data = `${part({ typ: "at+jwt", alg: "ES256", kid: "key" })}.${part(claims)}`;
  const mark = sign("sha256", Buffer.from(data), { key: privateKey, dsaEncoding: "ieee-p1363" });
  const headers = { authorization: `Bearer ${data}.${mark.toString("base64url")}` };
  const at = `http://localhost:${here.address().port}`;
  assert.equal((await fetch(`${at}/things`, { headers })).status, 200);
  const said = await fetch(`${at}/chat/stream`, { method: "POST", headers, body: "hello" });
  assert.deepEqual([said.status, (await said.json()).code], [403, "read_only_session"]);
  for (const server of [issuer, here]) {
    server.closeAllConnections();
    server.close();
  }
});

test("signed in: fifty calls at once, and a stream word by word", async () => {
  const auth = browser();
  await auth.register({ email: "ada@example.org", password: PASSWORD });
  const answers = await Promise.all(Array.from({ length: 50 }, () => auth.fetch(`${page}/things`)));
  assert(answers.every(({ status }) => status === 200));
  assert.equal((await answers[0].json()).user, auth.session.user.id);

  const answer = await auth.fetch(`${page}/chat/stream`, { method: "POST", body: "one two three" });
  const parts = [];
  const decoder = new TextDecoder();
  for await (const part of answer.body) parts.push(decoder.decode(part));
  assert.equal(parts.join(""), "You said: one two three ");
  assert(parts.length > 1, "the words came one by one");
  const long = await auth.fetch(`${page}/chat/stream`, { method: "POST", body: "x".repeat(100_000) });
  assert.equal(long.status, 413);
  await auth.logout();
  auth.close();
  assert.equal((await auth.fetch(`${page}/things`)).status, 401);
});
