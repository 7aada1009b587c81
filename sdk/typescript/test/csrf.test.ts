import assert from "node:assert/strict";
import { test } from "node:test";
import { ADA, refusal, signedIn, world } from "./support/world.js";

test("where the cookie can be read, no request is made for the token", async () => {
  const { browser, client, done, issuer } = world();
  await done(client.login(ADA));
  await done(client.refresh());
  const other = browser.tab({ channel: () => undefined });
  await done(other.client.getUser());
  assert.deepEqual(issuer.log, ["POST /auth/login 200", "POST /auth/refresh 200", "POST /auth/refresh 200"]);
});

test("where it cannot, the token is asked for once, and again after signing in", async () => {
  const { client, done, issuer, page } = world();
  page.elsewhere = true;
  await done(client.login(ADA));
  await done(client.refresh());
  await done(client.refresh());
  await done(client.login(ADA));
  await done(client.refresh());
  assert.deepEqual(issuer.log, [
    "POST /auth/login 200",
    "GET /auth/csrf 200",
    "POST /auth/refresh 200",
    "POST /auth/refresh 200",
    "POST /auth/login 200",
    "GET /auth/csrf 200",
    "POST /auth/refresh 200",
  ]);
});

test("a cookie that is another application's is not believed twice", async () => {
  const made = await signedIn();
  made.browser.jar.set("csrftoken", "of-django");
  const { client } = made.browser.tab({ channel: () => undefined });
  await made.done(client.getUser());
  made.browser.jar.set("csrftoken", "of-django");
  await made.done(client.refresh());
  assert.deepEqual(made.issuer.log, [
    "POST /auth/refresh 403",
    "GET /auth/csrf 200",
    "POST /auth/refresh 200",
    "POST /auth/refresh 200",
  ]);
});

test("signing in over a session that is there proves that it may", async () => {
  const made = await signedIn();
  const { client, page } = made.browser.tab({ channel: () => undefined });
  page.elsewhere = true;
  await made.done(client.login(ADA));
  assert.deepEqual(made.issuer.log, ["POST /auth/login 403", "GET /auth/csrf 200", "POST /auth/login 200"]);
  await made.done(client.refresh());
  assert.equal(made.issuer.log.at(-1), "POST /auth/refresh 200");
});

test("an origin that is not trusted is told, and not tried for ever", async () => {
  const made = world();
  const { client } = made.browser.tab({
    fetch: (input, init) => {
      const request = new Request(input, init);
      request.headers.set("cookie", "pc_refresh=pcr_s.1");
      return made.issuer.handle(request);
    },
  });
  const error = await made.done(refusal(client.getUser()));
  assert.equal(error.code, "csrf_failed");
  assert.equal(made.issuer.count("POST /auth/refresh"), 2);
});
