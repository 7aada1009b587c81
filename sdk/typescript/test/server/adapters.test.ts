import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { expressAuth, expressHandler, type NodeRequest, type NodeResponse } from "../../src/server/express.js";
import { createServerAuth, withAuth } from "../../src/server/index.js";
import { nextClaims, nextHandlers, nextProxy } from "../../src/server/next.js";
import { Browser, signIn, site } from "../support/site.js";

const MINUTE = 60_000;

test("plain requests: the answer gets the cookies, and is kept by no cache", async () => {
  const made = await site();
  const browser = await signIn(made);
  const handle = withAuth(made.auth, (_, visit) => {
    const headers = new Headers({ "cache-control": "public", "set-cookie": "theme=light" });
    return new Response(visit.claims?.sub ?? "nobody", { status: 201, headers });
  });
  const before = await handle(browser.request());
  assert.equal(await before.text(), "ada@example.org");
  assert.deepEqual(before.headers.getSetCookie(), ["theme=light"]);
  assert.equal(before.headers.get("cache-control"), "public");

  made.clock.pass(20 * MINUTE);
  const after = await handle(browser.request());
  assert.equal(after.status, 201);
  assert.equal(after.headers.getSetCookie().length, 4);
  assert.equal(after.headers.get("cache-control"), "private, no-store");
  browser.keep(after.headers.getSetCookie());
  assert.equal(browser.cookie("theme"), "light");
  const immutable = withAuth(made.auth, () => Response.redirect("https://app.example.org/"));
  made.clock.pass(20 * MINUTE);
  assert.equal((await immutable(browser.request())).headers.getSetCookie().length > 0, true);
});

/** What Next.js makes of `NextResponse.next`: the headers for what renders the page. */
class NextResponse extends Response {
  rendered = new Headers();
  static next({ request }: { request: { headers: Headers } }): NextResponse {
    return Object.assign(new NextResponse(), { rendered: request.headers });
  }
}

test("Next.js: pages see the cookies that the browser gets", async () => {
  const made = await site();
  const browser = await signIn(made);
  let rendered = new Headers();
  const spy = {
    next(init: { request: { headers: Headers } }) {
      rendered = init.request.headers;
      return NextResponse.next(init);
    },
  };
  const proxy = nextProxy(made.auth, spy);
  made.clock.pass(20 * MINUTE);
  const answer = await proxy(browser.request());
  browser.keep(answer.headers.getSetCookie());
  assert.equal((await nextClaims(made.auth, rendered))?.gen, 2);
  assert.equal(rendered.get("cookie")?.includes(browser.cookie("pc_refresh") ?? "?"), true);

  made.issuer.revokeAll();
  made.clock.pass(20 * MINUTE);
  const ended = await proxy(browser.request());
  browser.keep(ended.headers.getSetCookie());
  assert.equal(browser.cookie("pc_refresh"), undefined);
  assert.equal(await nextClaims(made.auth, rendered), null);
  browser.cookies = [];
  await proxy(browser.request());
  assert.equal(rendered.has("cookie"), false);
});

test("Next.js: a decision in the place of the page", async () => {
  const made = await site();
  const proxy = nextProxy(made.auth, NextResponse, (request, visit) =>
    visit.claims ? undefined : Response.redirect(new URL("/sign-in", request.url)),
  );
  const sent = await proxy(new Browser().request("/private"));
  assert.equal(sent.headers.get("location"), "https://app.example.org/sign-in");
  assert.equal((await proxy((await signIn(made)).request("/private"))).status, 200);
});

test("Next.js: who only looks changes nothing, by a server action either", async () => {
  const made = await site();
  made.issuer.claims = { read_only: true, act: { sub: "admin" } };
  const browser = await signIn(made);
  let rendered = 0;
  const spy = {
    next(init: { request: { headers: Headers } }) {
      rendered++;
      return NextResponse.next(init);
    },
  };
  const proxy = nextProxy(made.auth, spy);
  assert.equal((await proxy(browser.request("/page"))).status, 200);
  const answer = await proxy(browser.request("/page", { method: "POST", headers: { "next-action": "1" } }));
  assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [403, "read_only_session"]);
  assert.equal(rendered, 1);
});

test("handing on: what goes there, and what comes back", async () => {
  const made = await site({ clientAddress: () => "192.0.2.7" });
  const { POST } = nextHandlers(made.auth);
  const browser = new Browser();
  const body = JSON.stringify({ email: "ada@example.org", password: "a good long passphrase", delivery: "cookies" });
  const headers = {
    "content-type": "application/json",
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-host": "evil.example",
    forwarded: "for=6.6.6.6",
    connection: "keep-alive",
  };
  const answer = await POST(browser.request("/auth/login?x=1", { method: "POST", body, headers }));
  assert.equal(answer.status, 200);
  browser.keep(answer.headers.getSetCookie());
  assert.ok(browser.cookie("pc_access"));
  const sent = made.sent.find(({ url }) => url === "https://auth.example.org/auth/login?x=1");
  assert.equal(sent?.headers.get("origin"), "https://app.example.org");
  assert.equal(sent?.headers.get("x-forwarded-for"), "192.0.2.7");
  for (const name of ["host", "forwarded", "x-forwarded-host", "connection"]) {
    assert.equal(sent?.headers.get(name), null, name);
  }
});

test("handing on: nothing but /auth/, and a fault is one", async () => {
  const made = await site();
  const { GET } = nextHandlers(made.auth);
  for (const path of ["/admin/api/users", "/auth", "/auth/../admin/api/users", "/auth/%2e%2e/oauth/token", "//auth/me"]) {
    assert.equal((await GET(new Browser().request(path))).status, 404, path);
  }
  assert.deepEqual(made.sent, []);
  made.offline = true;
  const answer = await GET(new Browser().request("/auth/config"));
  assert.equal(answer.status, 503);
  assert.equal(((await answer.json()) as { code: string }).code, "issuer_unavailable");
});

/** Serves on a free port while something is done. */
async function serving(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

type Handler = (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void) => void;

function run(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) =>
    handler(request as NodeRequest, response as unknown as NodeResponse, (error) =>
      error === undefined ? resolve() : reject(error as Error),
    ),
  );
}

test("Express: cookies are added when the head is written, however that comes about", async () => {
  const made = await site();
  const browser = await signIn(made);
  const middleware = expressAuth(made.auth);
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    await run(middleware, request, response);
    const who = (request as unknown as NodeRequest).auth?.claims?.sub ?? "nobody";
    response.setHeader("set-cookie", "theme=light");
    if (request.url === "/head") response.writeHead(202, { "x-who": who });
    if (request.url === "/late") await (request as unknown as NodeRequest).auth?.logout();
    response.end(who);
  };
  await serving(listener, async (url) => {
    const get = (path: string, method = "GET") =>
      fetch(url + path, {
        method,
        headers: { cookie: browser.cookies.map((pair) => pair.join("=")).join("; "), origin: url },
      });
    for (const [path, status] of [["/", 200], ["/head", 202]] as const) {
      made.clock.pass(20 * MINUTE);
      const answer = await get(path);
      assert.equal(answer.status, status);
      assert.equal(await answer.text(), "ada@example.org");
      assert.equal(answer.headers.get("cache-control"), "private, no-store");
      browser.keep(answer.headers.getSetCookie());
      assert.equal(browser.cookie("theme"), "light");
    }
    assert.equal(made.issuer.rotations, 2);
    const calm = await get("/");
    assert.deepEqual(calm.headers.getSetCookie(), ["theme=light"]);
    browser.keep((await get("/late", "POST")).headers.getSetCookie());
    assert.equal(browser.cookie("pc_refresh"), undefined);
  });
});

test("Express: headers that come with the head take nothing away", async () => {
  const made = await site();
  const browser = await signIn(made);
  const middleware = expressAuth(made.auth);
  const heads: Record<string, (response: ServerResponse) => unknown> = {
    "/object": (response) => response.writeHead(201, { "Set-Cookie": "theme=light", "Cache-Control": "public", "x-a": "b" }),
    "/list": (response) => response.writeHead(201, ["Set-Cookie", "theme=light", "CACHE-CONTROL", "public", "x-a", "b"]),
    "/several": (response) => response.writeHead(201, "Made", { "set-cookie": ["theme=light", "c=d"], "x-a": "b" }),
    "/before": (response) => response.setHeader("set-cookie", "theme=light").writeHead(201, { "x-a": "b" }),
  };
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    await run(middleware, request, response);
    heads[request.url ?? ""]?.(response);
    response.end();
  };
  await serving(listener, async (url) => {
    for (const path of Object.keys(heads)) {
      made.clock.pass(20 * MINUTE);
      browser.set("theme", "dark");
      const cookie = browser.cookies.map((pair) => pair.join("=")).join("; ");
      const answer = await fetch(url + path, { headers: { cookie } });
      assert.deepEqual([answer.status, answer.headers.get("x-a")], [201, "b"], path);
      assert.equal(answer.headers.get("cache-control"), "private, no-store", path);
      const before = browser.cookie("pc_refresh");
      browser.keep(answer.headers.getSetCookie());
      assert.notEqual(browser.cookie("pc_refresh"), before, path);
      assert.equal(browser.cookie("theme"), "light", path);
    }
  });
});

test("Express: handing on streams both ways", async () => {
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const issuer: RequestListener = (request, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "text/plain" });
    request.on("data", (part) => response.write(`${request.url} ${String(part)}`));
    request.on("end", () => void finished.then(() => response.end(" end")));
  };
  await serving(issuer, async (baseUrl) => {
    const handler = expressHandler(createServerAuth({ baseUrl }));
    const listener = (request: IncomingMessage, response: ServerResponse) => void run(handler, request, response);
    await serving(listener, async (url) => {
      const answer = await fetch(`${url}/auth/echo?x=1`, { method: "POST", body: "words" });
      assert.equal(answer.status, 201);
      assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
      const reader = answer.body!.getReader();
      const decoder = new TextDecoder();
      assert.equal(decoder.decode((await reader.read()).value), "/auth/echo?x=1 words");
      finish();
      assert.equal(decoder.decode((await reader.read()).value), " end");
      assert.equal((await reader.read()).done, true);
    });
  });
});
