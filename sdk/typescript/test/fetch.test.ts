import assert from "node:assert/strict";
import { test } from "node:test";
import { APP, BASE } from "./support/fake-issuer.js";
import { MINUTE, refusal, signedIn, THINGS, world, type World } from "./support/world.js";

/** A service that answers as it is told, with what it was sent. */
function service(made: World, answer: (request: Request, count: number) => Response | Promise<Response>) {
  const seen: Request[] = [];
  const { client, page } = made.browser.tab({
    page: made.page,
    fetch(input, init) {
      const request = new Request(input, init);
      if (request.url.startsWith(BASE)) return made.browser.fetch(input, init);
      seen.push(request);
      return Promise.resolve(answer(request, seen.length));
    },
  });
  return { client, page, seen };
}

const REFUSED = () => new Response("no", { status: 401 });

test("the token goes to the page's origin, to Portcullis and to services, and nowhere else", async () => {
  const { client, done } = await signedIn({ services: ["https://api.example.org"] });
  for (const url of [THINGS, `${APP}/x`, `${BASE}/auth/sessions`, "https://api.example.org/x"]) {
    assert.notEqual((await done(client.fetch(url))).status, 401, url);
  }
  for (const url of ["https://evil.example/", "http://app.example.org/", "https://api.example.org:8443/"]) {
    assert.equal((await done(refusal(client.fetch(url)))).code, "foreign_origin", url);
  }
});

test("a request that has a header of its own goes as it is", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, REFUSED);
  const headers = { authorization: "Bearer other" };
  const answer = await made.done(client.fetch("https://evil.example/", { headers }));
  assert.equal(answer.status, 401);
  assert.equal(seen.length, 1);
  assert.equal(seen[0]?.headers.get("authorization"), "Bearer other");
});

test("when nobody is signed in the request goes without a token", async () => {
  const { client, done, issuer } = world();
  assert.equal((await done(client.fetch(THINGS))).status, 401);
  assert.equal((await done(client.fetch(THINGS))).status, 401);
  assert.equal(issuer.count("POST /auth/refresh"), 1);
});

test("method, headers and body arrive, from every form of request", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, async (request) => new Response(await request.text()));
  await made.done(client.getUser());
  const init = { method: "POST", headers: { "x-a": "1" }, body: "words" };
  for (const [input, more] of [
    [`${APP}/x`, init],
    [new URL(`${APP}/x`), init],
    [new Request(`${APP}/x`, init), undefined],
    [new Request(`${APP}/x`, { ...init, headers: { "x-a": "2" } }), { headers: { "x-a": "1" } }],
  ] as const) {
    const answer = await made.done(client.fetch(input, more));
    assert.equal(await answer.text(), "words");
    const request = seen.at(-1);
    assert.equal(request?.method, "POST");
    assert.equal(request?.headers.get("x-a"), "1");
    assert.match(request?.headers.get("authorization") ?? "", /^Bearer header\./);
  }
});

test("an answer is handed over while its body is on its way", async () => {
  const made = await signedIn();
  let push: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (push = controller) });
  const { client } = service(made, () => new Response(body));
  const answer = await made.done(client.fetch("/stream"));
  assert.equal(answer.bodyUsed, false);
  const reader = answer.body!.getReader();
  for (const word of ["one", "two"]) {
    push?.enqueue(new TextEncoder().encode(word));
    assert.equal(new TextDecoder().decode((await reader.read()).value), word);
  }
  push?.close();
  assert.equal((await reader.read()).done, true);
});

test("a 401 for a token that another request has renewed meanwhile costs no refresh", async () => {
  const made = await signedIn();
  let meanwhile: Promise<unknown> = Promise.resolve();
  const { client, seen } = service(made, (_, count) => {
    if (count > 1) return new Response("yes");
    meanwhile = client.refresh();
    return meanwhile.then(REFUSED);
  });
  const answer = await made.done(client.fetch(THINGS));
  assert.equal(answer.status, 200);
  assert.equal(made.issuer.rotations, 1);
  assert.notEqual(seen[0]?.headers.get("authorization"), seen[1]?.headers.get("authorization"));
});

test("a 401 for an old token: refreshed, and tried once more, with the same body", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, async (request, count) =>
    count % 2 ? REFUSED() : new Response(await request.text()),
  );
  await made.done(client.getUser());
  for (const input of ["/x", new Request(`${APP}/x`, { method: "POST", body: "words" })]) {
    await made.clock.pass(2 * MINUTE);
    const answer = await made.done(client.fetch(input, { method: "POST", ...(input === "/x" && { body: "words" }) }));
    assert.equal(await answer.text(), "words");
  }
  assert.equal(seen.length, 4);
  assert.equal(made.issuer.rotations, 2);
});

test("a second 401 is handed over", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, REFUSED);
  await made.done(client.getUser());
  await made.clock.pass(2 * MINUTE);
  const answer = await made.done(client.fetch("/x"));
  assert.equal(answer.status, 401);
  assert.equal(await answer.text(), "no");
  assert.equal(seen.length, 2);
  assert.equal(made.issuer.rotations, 1);
});

test("a young token that a service does not accept and Portcullis does costs no refresh", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, REFUSED);
  await made.done(client.getUser());
  const answers = await made.done(Promise.all(Array.from({ length: 20 }, () => client.fetch("/x"))));
  assert(answers.every(({ status }) => status === 401));
  assert.equal(seen.length, 20);
  assert.equal(made.issuer.rotations, 0);
  assert.equal(made.issuer.count("GET /auth/me"), 1);
});

test("a young token that Portcullis does not accept either is renewed: a role has changed", async () => {
  const { client, done, issuer } = await signedIn();
  for (const session of issuer.sessions.values()) session.deadUpTo = session.gen;
  assert.equal((await done(client.fetch(THINGS))).status, 200);
  assert.equal(issuer.rotations, 1);
});

test("a session that was ended from elsewhere signs out at the next request", async () => {
  const { client, done, issuer } = await signedIn();
  const reasons: string[] = [];
  client.onSignedOut((reason) => reasons.push(reason));
  issuer.revokeAll();
  assert.equal((await done(client.fetch(THINGS))).status, 401);
  assert.deepEqual(reasons, ["refresh_revoked"]);
});

test("a body that is a stream is sent once; the next request is good", async () => {
  const made = await signedIn();
  const { client, seen } = service(made, (request) =>
    made.issuer.isGood(request.headers.get("authorization")) ? new Response("yes") : REFUSED(),
  );
  await made.done(client.getUser());
  await made.clock.pass(2 * MINUTE);
  for (const session of made.issuer.sessions.values()) session.deadUpTo = session.gen;
  const body = new Blob(["words"]).stream();
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  assert.equal((await made.done(client.fetch("/x", init))).status, 401);
  assert.equal(seen.length, 1);
  assert.equal((await made.done(client.fetch("/x"))).status, 200);
});

test("who aborts leaves, and the refresh that others wait for goes on", async () => {
  const { client, clock, done, issuer, page } = await signedIn();
  page.hidden = true;
  await clock.pass(60 * MINUTE);
  const leaving = new AbortController();
  const reason = new Error("changed my mind");
  const left = client.fetch(THINGS, { signal: leaving.signal });
  const stays = client.fetch(THINGS);
  leaving.abort(reason);
  await assert.rejects(done(left), reason);
  assert.equal((await done(stays)).status, 200);
  assert.equal(issuer.rotations, 1);
  await assert.rejects(done(client.fetch(THINGS, { signal: leaving.signal })), reason);
});

test("every call takes a signal", async () => {
  const { client } = await signedIn();
  const signal = AbortSignal.abort(new Error("too late"));
  for (const call of [
    () => client.login({ login: "ada", password: "x" }, { signal }),
    () => client.logout({ signal }),
    () => client.logoutEverywhere({ signal }),
    () => client.refresh({ signal }),
    () => client.getUser({ signal }),
    () => client.getUser({ fresh: true, signal }),
    () => client.getSession({ signal }),
    () => client.getAccessToken({ signal }),
  ]) {
    await assert.rejects(call(), /too late/);
  }
});
