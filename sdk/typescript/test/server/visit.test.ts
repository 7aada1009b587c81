import assert from "node:assert/strict";
import { test } from "node:test";
import type { Visit } from "../../src/server/index.js";
import { type Pair, parseCookies } from "../../src/server/lib/cookies.js";
import { problem } from "../support/fake-issuer.js";
import { Browser, type Site, signIn, site } from "../support/site.js";
import { refusal } from "../support/world.js";

const MINUTE = 60_000;

test("nobody", async () => {
  const { auth, sent } = await site();
  const visit = await auth.open(new Browser().request());
  assert.deepEqual([visit.status, visit.claims, visit.accessToken, visit.problem], ["signed_out", null, null, null]);
  assert.equal(await visit.getUser(), null);
  assert.deepEqual(visit.setCookies(), []);
  assert.deepEqual(sent, []);
});

test("signing in by a form, and asking as the user", async () => {
  const made = await site();
  const browser = await signIn(made);
  assert.ok(browser.cookie("pc_access"));
  const visit = await made.auth.open(browser.request());
  assert.equal(visit.status, "signed_in");
  assert.equal(visit.claims?.sub, "ada@example.org");
  // A good token is enough: only the keys were needed, once.
  assert.deepEqual(made.issuer.log, []);
  assert.equal((await visit.getUser())?.name, "Ada");
  assert.equal((await visit.fetch("https://api.example.org/things")).status, 200);
  assert.equal((await refusal(visit.fetch("https://evil.example/"))).code, "foreign_origin");
  assert.deepEqual(visit.setCookies(), []);
});

test("Portcullis gets the cookies of ours and no others, and is told who asks", async () => {
  const made = await site({ clientAddress: (headers) => headers.get("x-real-ip") });
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  const headers = { "user-agent": "Browser/1", "x-real-ip": "192.0.2.7", "x-forwarded-for": "6.6.6.6" };
  await made.auth.open(browser.request("/", { headers }));
  const sent = made.sent.find(({ url }) => url.endsWith("/auth/refresh"));
  assert.doesNotMatch(sent?.headers.get("cookie") ?? "", /theme/);
  assert.match(sent?.headers.get("cookie") ?? "", /pc_refresh=/);
  assert.equal(sent?.headers.get("user-agent"), "Browser/1");
  assert.equal(sent?.headers.get("x-forwarded-for"), "192.0.2.7");
});

test("fifty requests with an expired token are one refresh, and all write the same", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  const visits = await Promise.all(Array.from({ length: 50 }, () => made.auth.open(browser.request())));
  assert(visits.every(({ status }) => status === "signed_in"));
  assert.equal(made.issuer.rotations, 1);
  const written = new Set(visits.map((visit) => JSON.stringify(visit.setCookies())));
  assert.equal(written.size, 1);
  // One that left before and arrives after.
  const late = await made.auth.open(browser.request());
  assert.equal(late.status, "signed_in");
  assert.equal(made.issuer.count("POST /auth/refresh"), 1);
  browser.keep(late.setCookies());
  const next = await made.auth.open(browser.request());
  assert.deepEqual([next.status, next.setCookies()], ["signed_in", []]);
});

test("two processes at once get the same successor", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  const other = made.another();
  const visits = await Promise.all([made.auth, other].map((auth) => auth.open(browser.request())));
  assert.deepEqual([made.issuer.rotations, made.issuer.replays], [1, 1]);
  const [one, two] = visits.map((visit) => {
    const copy = browser.copy();
    copy.keep(visit.setCookies());
    return copy.cookie("pc_refresh");
  });
  assert.equal(one, two);
});

test("what renders the page gets the cookies of the answer", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  const visit = await made.auth.open(browser.request());
  browser.keep(visit.setCookies());
  const pairs = (cookies: readonly Pair[]) => cookies.map(([name, value]) => `${name}=${value}`).sort();
  assert.deepEqual(pairs(parseCookies(visit.cookieHeader())), pairs(browser.cookies));
  const claims = await made.auth.read(new Headers({ cookie: visit.cookieHeader() }));
  assert.equal(claims?.gen, 2);
});

test("a slow answer does not set the cookies back", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(14.5 * MINUTE);
  const slow = await made.auth.open(browser.request());
  const quick = await made.auth.open(browser.request());
  browser.keep(quick.setCookies());
  made.clock.pass(14.5 * MINUTE);
  const later = await made.auth.open(browser.request());
  browser.keep(later.setCookies());
  const newest = browser.cookie("pc_refresh");
  browser.keep(slow.setCookies());
  assert.equal(browser.cookie("pc_refresh"), newest);
  assert.equal(made.issuer.rotations, 2);
});

test("a session that has ended is cleared, and not brought back by who was slow", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(14.5 * MINUTE);
  const before = browser.copy();
  browser.keep((await made.auth.open(browser.request())).setCookies());
  const visit = await made.auth.open(browser.request("/sign-out", { method: "POST" }));
  await visit.logout();
  assert.equal(visit.status, "signed_out");
  browser.keep(visit.setCookies());
  assert.equal(browser.cookie("pc_refresh"), undefined);
  assert.equal(browser.cookie("pc_access"), undefined);
  assert.equal(browser.cookie("theme"), "dark");
  made.clock.pass(MINUTE / 2);
  const late = await made.auth.open(before.request());
  assert.equal(late.status, "signed_out");
  assert(!late.setCookies().some((text) => /pc_refresh=pcr/.test(text)));
});

test("a session that has ended is written by nobody who was slow", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(14.5 * MINUTE);
  const slow = await made.auth.open(browser.request());
  browser.keep((await made.auth.open(browser.request())).setCookies());
  made.clock.pass(14.5 * MINUTE);
  // Its answer comes when the session is over.
  let answered: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (answered = resolve));
  let rotated: () => void = () => undefined;
  const isRotated = new Promise<void>((resolve) => (rotated = resolve));
  made.issuer.disturb = (request, answer) =>
    request.url.endsWith("/auth/refresh")
      ? answer().then((response) => {
          rotated();
          return held.then(() => response);
        })
      : undefined;
  const slower = made.auth.open(browser.request());
  await isRotated;
  made.issuer.disturb = undefined;
  const out = await made.auth.handler(
    browser.request("/auth/logout", { method: "POST", headers: { "x-csrftoken": browser.cookie("csrftoken") ?? "" } }),
  );
  browser.keep(out.headers.getSetCookie());
  answered();
  const last = await slower;
  assert.equal(last.status, "signed_out");
  assert.deepEqual(last.setCookies(), []);
  browser.keep(slow.setCookies());
  assert.deepEqual([browser.cookie("pc_refresh"), browser.cookie("pc_access")], [undefined, undefined]);
});

test("a token that was superseded ends nothing", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(14.5 * MINUTE);
  browser.keep((await made.auth.open(browser.request())).setCookies());
  made.clock.pass(14.5 * MINUTE);
  // The password was changed just now, and the answer with the newer tokens is on its way.
  made.issuer.disturb = (request) =>
    request.url.endsWith("/auth/refresh") ? Promise.resolve(problem(401, "refresh_revoked", { superseded: true })) : undefined;
  const between = await made.auth.open(browser.request());
  assert.deepEqual([between.status, between.setCookies()], ["signed_out", []]);
  made.issuer.disturb = undefined;
  assert.equal((await made.auth.open(browser.request())).status, "signed_in");
});

test("ended from elsewhere: found out at the next refresh, or when a service says so", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.issuer.revokeAll();
  const visit = await made.auth.open(browser.request());
  assert.equal(visit.status, "signed_in");
  assert.equal((await visit.fetch("https://api.example.org/things")).status, 401);
  assert.equal(visit.status, "signed_out");
  browser.keep(visit.setCookies());
  assert.equal(browser.cookie("pc_refresh"), undefined);
});

test("a fault of Portcullis signs nobody out and clears nothing", async () => {
  for (const break_ of [
    (made: Awaited<ReturnType<typeof site>>) => void (made.offline = true),
    ({ issuer }: Awaited<ReturnType<typeof site>>) =>
      void (issuer.disturb = () => Promise.resolve(problem(503, "store_unavailable"))),
    ({ issuer }: Awaited<ReturnType<typeof site>>) =>
      void (issuer.disturb = () => Promise.resolve(new Response("<h1>Bad gateway</h1>", { status: 502 }))),
    ({ issuer }: Awaited<ReturnType<typeof site>>) =>
      void (issuer.disturb = () => Promise.resolve(problem(429, "rate_limited", { retryAfter: 9 }))),
  ]) {
    const made = await site();
    const browser = await signIn(made);
    await made.auth.open(browser.request());
    break_(made);
    // Due, and good for a while.
    made.clock.pass(14.5 * MINUTE);
    const good = await made.auth.open(browser.request());
    assert.deepEqual([good.status, good.setCookies()], ["signed_in", []]);
    made.clock.pass(MINUTE);
    const bad = await made.auth.open(browser.request());
    assert.deepEqual([bad.status, bad.claims, bad.setCookies()], ["unavailable", null, []]);
    assert(bad.problem);
    made.offline = false;
    made.issuer.disturb = undefined;
    assert.equal((await made.auth.open(browser.request())).status, "signed_in");
  }
});

test("a lost answer is asked for again, and is the same", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  let lost = false;
  made.issuer.disturb = (request, answer) => {
    if (!request.url.endsWith("/auth/refresh") || lost) return undefined;
    lost = true;
    return answer().then(() => Promise.reject(new TypeError("reset")));
  };
  assert.equal((await made.auth.open(browser.request())).status, "signed_in");
  assert.deepEqual([made.issuer.rotations, made.issuer.replays], [1, 1]);
});

test("a sign-in whose answer was lost is not made twice, nor one that failed", async () => {
  for (const [path, act] of [
    ["/auth/login", (visit: Visit) => visit.login({ email: "ada@example.org", password: "a good long passphrase" })],
    ["/auth/register", (visit: Visit) => visit.register({ email: "new@example.org", password: "x" })],
    ["/auth/login/factor", (visit: Visit) => visit.loginWithFactor({ challenge: "ch_1", method: "totp", code: "123456" })],
  ] as const) {
    for (const fault of [new TypeError("reset"), problem(503, "store_unavailable")]) {
      const made = await site();
      let asked = 0;
      made.issuer.disturb = (request, answer) => {
        if (!request.url.endsWith(path)) return undefined;
        asked++;
        return answer().then(() => (fault instanceof Response ? fault.clone() : Promise.reject(fault)));
      };
      const visit = await made.auth.open(new Browser().request("/", { method: "POST" }));
      await refusal(act(visit));
      assert.equal(asked, 1, path);
    }
  }
});

test("tokens that cannot be verified now are the browser's all the same", async () => {
  const made = await site();
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  // A process that has just begun: it knows no key.
  const other = made.another();
  made.issuer.disturb = (request) =>
    request.url.endsWith("/jwks.json") ? Promise.resolve(problem(503, "key_unavailable")) : undefined;
  browser.cookies = browser.cookies.filter(([name]) => name !== "__Host-pc_access");
  const visit = await other.open(browser.request());
  assert.equal(visit.status, "unavailable");
  browser.keep(visit.setCookies());
  made.issuer.disturb = undefined;
  made.clock.pass(5 * MINUTE);
  assert.equal((await other.open(browser.request())).status, "signed_in");
  assert.equal(made.issuer.rotations, 1);
});

test("a session of a single-page app: one refresh for all its pages", async () => {
  const made = await site();
  const browser = new Browser();
  const session = made.issuer.begin("ada@example.org", "cookie");
  browser.set("__Host-pc_refresh", `pcr_${session.id}.1`);
  for (let page = 0; page < 5; page++) {
    const visit = await made.auth.open(browser.request());
    assert.equal(visit.status, "signed_in");
    browser.keep(visit.setCookies());
    assert.equal((await made.auth.read(browser.request().headers))?.sub, "ada@example.org");
    // What renders the page may be another process, and the browser has no cookie with the access token.
    const inside = new Headers({ cookie: visit.cookieHeader() });
    assert.equal((await made.another().read(inside))?.sub, "ada@example.org");
    assert.equal(browser.cookie("pc_access"), undefined);
    made.clock.pass(2 * MINUTE);
  }
  assert.equal(made.issuer.rotations, 1);
});

/** A request of the browser's own script, handed on. */
async function byScript(made: Site, browser: Browser, path: string): Promise<Response> {
  const token = browser.cookie("csrftoken") ?? "";
  const answer = await made.auth.handler(browser.request(path, { method: "POST", headers: { "x-csrftoken": token } }));
  return answer;
}

/** A browser in which a page's script has signed in. */
async function singlePage(made: Site): Promise<Browser> {
  const browser = new Browser();
  const body = JSON.stringify({ email: "ada@example.org", password: "a good long passphrase", delivery: "cookie" });
  const answer = await made.auth.handler(browser.request("/auth/login", { method: "POST", body }));
  assert.match(((await answer.json()) as { access_token: string }).access_token, /^ey/);
  browser.keep(answer.headers.getSetCookie());
  return browser;
}

test("pages know of what the browser has got by itself, and exchange nothing again", async () => {
  const made = await site();
  const browser = await singlePage(made);
  for (let load = 1; load <= 3; load++) {
    const visit = await made.auth.open(browser.request());
    assert.deepEqual([visit.status, visit.setCookies()], ["signed_in", []]);
    const answer = await byScript(made, browser, "/auth/refresh");
    assert.equal(((await answer.json()) as { session_id: string }).session_id, visit.claims?.sid);
    const before = browser.copy();
    browser.keep(answer.headers.getSetCookie());
    assert.equal(made.issuer.rotations, load);
    // A page that was asked for with the cookie before: the same successor, without asking.
    const late = await made.auth.open(before.request());
    before.keep(late.setCookies());
    assert.equal(before.cookie("pc_refresh"), browser.cookie("pc_refresh"));
  }
  assert.equal(made.issuer.count("POST /auth/refresh"), 3);
});

test("neither a slow page nor a slow script sets the cookies back behind the other", async () => {
  const made = await site();
  const browser = await singlePage(made);
  made.clock.pass(14.5 * MINUTE);
  const slow = await made.auth.open(browser.request());
  browser.keep((await made.auth.open(browser.request())).setCookies());
  browser.keep((await byScript(made, browser, "/auth/refresh")).headers.getSetCookie());
  const newest = browser.cookie("pc_refresh");
  browser.keep(slow.setCookies());
  assert.equal(browser.cookie("pc_refresh"), newest);

  let answered: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (answered = resolve));
  let isFirst = true;
  made.issuer.disturb = (request, answer) => {
    if (!isFirst || !request.url.endsWith("/auth/refresh")) return undefined;
    isFirst = false;
    return answer().then((response) => held.then(() => response));
  };
  const script = byScript(made, browser, "/auth/refresh");
  browser.keep((await byScript(made, browser, "/auth/refresh")).headers.getSetCookie());
  made.clock.pass(14.5 * MINUTE);
  browser.keep((await made.auth.open(browser.request())).setCookies());
  const latest = browser.cookie("pc_refresh");
  answered();
  browser.keep((await script).headers.getSetCookie());
  assert.equal(browser.cookie("pc_refresh"), latest);
});

test("a sign-out by the browser's own script is one for pages that were slow", async () => {
  const made = await site();
  const browser = await singlePage(made);
  made.clock.pass(14.5 * MINUTE);
  const before = browser.copy();
  browser.keep((await made.auth.open(browser.request())).setCookies());
  const out = await byScript(made, browser, "/auth/logout");
  assert.equal(out.status, 204);
  browser.keep(out.headers.getSetCookie());
  const late = await made.auth.open(before.request());
  assert.equal(late.status, "signed_out");
  assert(!late.setCookies().some((text) => /pc_refresh=pcr/.test(text)));
});

test("an answer to the browser that breaks off keeps its cookies", async () => {
  const made = await site();
  const browser = await singlePage(made);
  made.issuer.disturb = (_, answer) =>
    answer().then(({ status, headers }) => {
      const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError("reset")) });
      return new Response(broken, { status, headers });
    });
  const answer = await byScript(made, browser, "/auth/refresh");
  assert.equal(answer.status, 503);
  made.issuer.disturb = undefined;
  browser.keep(answer.headers.getSetCookie());
  made.clock.pass(5 * MINUTE);
  assert.equal((await made.another().open(browser.request())).status, "signed_in");
});

test("a page of another site changes nothing, and is not told who is signed in", async () => {
  const made = await site({ origins: ["https://www.example.org"] });
  const browser = await signIn(made);
  for (const [headers, status] of [
    [{}, "signed_in"],
    [{ "sec-fetch-site": "same-origin" }, "signed_in"],
    [{ origin: "https://www.example.org", "sec-fetch-site": "same-site" }, "signed_in"],
    [{ origin: "https://evil.example" }, "signed_out"],
    [{ origin: "null" }, "signed_out"],
    [{ "sec-fetch-site": "same-site" }, "signed_out"],
    [{ "sec-fetch-site": "cross-site" }, "signed_out"],
    [{ origin: "", referer: "https://evil.example/x" }, "signed_out"],
  ] as const) {
    const visit = await made.auth.open(browser.request("/", { method: "POST", headers }));
    assert.equal(visit.status, status, JSON.stringify(headers));
    assert.deepEqual(visit.setCookies(), []);
  }
  const safe = await made.auth.open(browser.request("/", { headers: { "sec-fetch-site": "cross-site" } }));
  assert.equal(safe.status, "signed_in");
  const forged = await made.auth.open(browser.request("/", { method: "POST", headers: { origin: "https://evil.example" } }));
  const login = forged.login({ email: "mallory@example.org", password: "x" });
  assert.equal((await refusal(login)).code, "csrf_failed");
});

test("two cookies of one name are none, and are left alone", async () => {
  const made = await site();
  const browser = await signIn(made);
  for (const name of ["__Host-pc_refresh", "__Host-pc_access"]) {
    const copy = browser.copy();
    copy.cookies.push([name, "x"]);
    const visit = await made.auth.open(copy.request());
    assert.deepEqual([visit.status, visit.setCookies()], ["signed_out", []], name);
  }
  assert.deepEqual(made.issuer.log, []);
});

test("what a neighbouring host has set counts for nothing", async () => {
  const made = await site();
  const mallory = made.issuer.begin("mallory@example.org", "cookies");
  const theirs = await signIn(made, new Browser(), "mallory@example.org");
  const session = made.issuer.begin("ada@example.org", "cookie");
  const single = new Browser();
  single.set("__Host-pc_refresh", `pcr_${session.id}.1`);
  for (const [whose, browser] of [
    ["ada@example.org", await signIn(made)],
    ["ada@example.org", single],
    [undefined, new Browser()],
  ] as const) {
    // Nothing with `__Host-` can be set from there; `__Secure-` is all that is there where the cookies are the domain's.
    for (const prefix of whose ? ["", "__Secure-"] : [""]) {
      for (const acting of ["", "act_"]) {
        const copy = browser.copy();
        copy.cookies.unshift(
          [`${prefix}pc_${acting}access`, theirs.cookie("pc_access") ?? ""],
          [`${prefix}pc_${acting}refresh`, `pcr_${mallory.id}.1`],
        );
        const visit = await made.auth.open(copy.request());
        assert.equal(visit.claims?.sub, whose, `${prefix}${acting}`);
        assert(!visit.cookieHeader().includes(mallory.id));
        assert.equal((await made.auth.read(new Headers({ cookie: visit.cookieHeader() })))?.sub, whose);
      }
    }
  }
  assert.equal(mallory.gen, 1);
});

test("cookies of the whole domain", async () => {
  const made = await site();
  made.issuer.prefix = "__Secure-";
  const browser = await signIn(made);
  made.clock.pass(20 * MINUTE);
  const visit = await made.auth.open(browser.request());
  assert.equal(visit.status, "signed_in");
  assert.match(visit.cookieHeader(), /__Secure-pc_refresh=/);
});

test("an access token of another session than the refresh cookie's is nobody's", async () => {
  const made = await site();
  made.issuer.prefix = "__Secure-";
  const session = made.issuer.begin("ada@example.org", "cookie");
  const browser = new Browser();
  browser.set("__Secure-pc_refresh", `pcr_${session.id}.1`);
  browser.keep((await made.auth.open(browser.request())).setCookies());
  const theirs = await signIn(made, new Browser(), "mallory@example.org");
  const [, token] = theirs.cookies.find(([name]) => name === "__Secure-pc_access") ?? [];
  browser.cookies.unshift(["__Secure-pc_access", token ?? ""]);
  assert.equal((await made.auth.open(browser.request())).claims?.sub, "ada@example.org");
  assert.equal(await made.auth.read(browser.request().headers), null);
});

test("on plain http names have no prefix", async () => {
  const made = await site({ issuer: "http://localhost:8600" });
  made.issuer.prefix = "";
  made.issuer.trusted.push("http://localhost:8600");
  made.issuer.claims = { iss: "http://localhost:8600", aud: ["http://localhost:8600"] };
  const browser = await signIn(made);
  assert.equal((await made.auth.open(browser.request())).status, "signed_in");
});

test("who must change the password, and who may only look", async () => {
  const made = await site();
  made.issuer.claims = { pwd_change: true };
  const visit = await made.auth.open((await signIn(made)).request());
  assert.deepEqual([visit.status, visit.claims, visit.accessToken], ["must_change_password", null, null]);
  made.issuer.claims = { read_only: true, act: { sub: "admin" } };
  const browser = await signIn(made);
  assert.equal((await made.auth.open(browser.request())).claims?.act?.sub, "admin");
  const changing = await made.auth.open(browser.request("/", { method: "DELETE" }));
  assert.deepEqual([changing.status, changing.claims], ["read_only", null]);
});

test("refusals of a sign-in, and a second factor", async () => {
  const made = await site();
  const browser = new Browser();
  const open = () => made.auth.open(browser.request("/sign-in", { method: "POST" }));
  const visit = await open();
  assert.equal((await refusal(visit.login({ email: "ada@example.org", password: "wrong" }))).code, "invalid_credentials");
  assert.equal(visit.status, "signed_out");
  const owes = await refusal((await open()).login({ email: "ada@example.org", password: "owes a factor" }));
  assert.equal(owes.code, "second_factor_required");
  const again = await open();
  await again.loginWithFactor({ challenge: "ch_1", method: "totp", code: "123456" });
  assert.equal(again.status, "signed_in");
  const fresh = await open();
  assert.equal((await fresh.register({ email: "new@example.org", password: "x" }))?.sub, "new@example.org");
});

test("after the head is written nothing is exchanged", async () => {
  const made = await site();
  const browser = await signIn(made);
  const visit = await made.auth.open(browser.request());
  visit.setCookies();
  made.clock.pass(5 * MINUTE);
  for (const session of made.issuer.sessions.values()) session.deadUpTo = session.gen;
  assert.equal((await visit.fetch("https://api.example.org/things")).status, 401);
  assert.equal(made.issuer.rotations, 0);
  const next = await made.auth.open(browser.request());
  assert.equal((await next.fetch("https://api.example.org/things")).status, 200);
  assert.equal(made.issuer.rotations, 1);
  // The one that is written already may use what the other has got.
  assert.equal((await visit.fetch("https://api.example.org/things")).status, 200);
  browser.keep(next.setCookies());
  assert.equal((await made.auth.open(browser.request())).claims?.gen, 2);
});

test("signing in over another session", async () => {
  const made = await site();
  const browser = await signIn(made);
  const first = browser.copy();
  await signIn(made, browser);
  assert.notEqual(browser.cookie("pc_refresh"), first.cookie("pc_refresh"));
  assert.equal((await made.auth.open(browser.request())).status, "signed_in");
  made.clock.pass(20 * MINUTE);
  assert.equal((await made.auth.open(first.request())).status, "signed_out");
});
