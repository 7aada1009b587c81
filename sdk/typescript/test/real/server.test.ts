/** The server half with a real Portcullis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Portcullis, startPortcullis } from "../../scripts/portcullis.mjs";
import { createServerAuth, type ServerAuth, type Visit } from "../../src/server/index.js";
import { closeAll, Jar, PASSWORD } from "../support/real.js";
import { Browser } from "../support/site.js";
import { refusal } from "../support/world.js";

/** The site and Portcullis have one address for browsers. */
const SITE = "https://app.example.org";
let portcullis: Portcullis;
let auth: ServerAuth;
let count = 0;

before(async () => {
  portcullis = await startPortcullis({ PORTCULLIS_CSRF__TRUSTED_ORIGINS: SITE });
  auth = createServerAuth({ baseUrl: portcullis.url });
});
after(async () => {
  closeAll();
  await portcullis?.stop();
});

const another = () => createServerAuth({ baseUrl: portcullis.url });

async function signedUp() {
  const browser = new Browser();
  const email = `visitor-${++count}@example.org`;
  const visit = await auth.open(browser.request("/", { method: "POST" }));
  const claims = await visit.register({ email, password: PASSWORD });
  browser.keep(visit.setCookies());
  return { browser, email, claims };
}

/** A visit that finds its access token gone, in a process that has not made it: it has to refresh. */
function withoutAccess(browser: Browser, by = another()): Promise<Visit> {
  const copy = browser.copy();
  copy.cookies = copy.cookies.filter(([name]) => name !== "pc_access");
  return by.open(copy.request());
}

test("signing up, reading, signing out and in again", async () => {
  const { browser, email, claims } = await signedUp();
  const visit = await auth.open(browser.request());
  assert.deepEqual([visit.status, visit.claims?.sid], ["signed_in", claims?.sid]);
  assert.equal((await visit.getUser())?.email, email);
  assert.equal((await auth.read(browser.request().headers))?.sub, claims?.sub);
  const leaving = await auth.open(browser.request("/", { method: "POST" }));
  await leaving.logout();
  browser.keep(leaving.setCookies());
  assert.equal(browser.cookie("pc_refresh"), undefined);
  const back = await auth.open(browser.request("/", { method: "POST" }));
  assert.equal((await refusal(back.login({ email, password: "wrong, and long enough" }))).code, "invalid_credentials");
  await back.login({ email, password: PASSWORD });
  browser.keep(back.setCookies());
  assert.equal((await auth.open(browser.request())).status, "signed_in");
});

test("many requests at two processes that have to refresh get one successor", async () => {
  const { browser } = await signedUp();
  const [one, two] = [another(), another()];
  const visits = await Promise.all(Array.from({ length: 20 }, (_, at) => withoutAccess(browser, at % 2 ? one : two)));
  assert(visits.every(({ status }) => status === "signed_in"));
  const successors = visits.map((visit) => {
    const copy = browser.copy();
    copy.keep(visit.setCookies());
    return copy.cookie("pc_refresh");
  });
  assert.equal(new Set(successors).size, 1);
  assert.notEqual(successors[0], browser.cookie("pc_refresh"));
});

test("ended from elsewhere: the cookies go", async () => {
  const { browser, email } = await signedUp();
  await portcullis.run(["session", "revoke", "--user", email, "--all"]);
  const visit = await withoutAccess(browser);
  assert.equal(visit.status, "signed_out");
  browser.keep(visit.setCookies());
  assert.equal(browser.cookie("pc_refresh"), undefined);
});

test("the session of a single-page app is read as well", async () => {
  const jar = new Jar(SITE);
  const client = jar.tab(portcullis.url);
  await client.register({ email: `visitor-${++count}@example.org`, password: PASSWORD });
  const browser = new Browser();
  browser.cookies = jar.cookies;
  const visit = await auth.open(browser.request());
  assert.equal(visit.claims?.sid, client.session?.id);
  browser.keep(visit.setCookies());
  assert.deepEqual((await auth.open(browser.request())).setCookies(), []);
  jar.cookies = browser.cookies;
  assert.equal((await client.refresh())?.id, client.session?.id);
});

test("tokens by each algorithm", async () => {
  for (const algorithm of ["RS256", "EdDSA", "ES256"]) {
    const made = await startPortcullis({ PORTCULLIS_TOKENS__ALGORITHM: algorithm });
    try {
      const answer = await fetch(`${made.url}/auth/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ email: "ada@example.org", password: PASSWORD, delivery: "body" }),
      });
      const { access_token } = (await answer.json()) as { access_token: string };
      const claims = await createServerAuth({ baseUrl: made.url }).verify(access_token);
      assert.equal(claims.role, "user", algorithm);
    } finally {
      await made.stop();
    }
  }
});
