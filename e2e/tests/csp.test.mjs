// Our own pages: no script and no style but their files, and nothing that is injected runs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stage } from "../support/stage.mjs";
import { newEmail, PASSWORD } from "../support/tab.mjs";

const here = stage();

/** The link that makes the first administrator; it holds the token of the set-up page. */
async function setUpLink() {
  const link = await readFile(join(here.world.portcullis.directory, "data", "setup-link"), "utf8");
  return link.trim();
}

/** Somebody is signed in, by cookies that our own pages read. */
async function signIn(context) {
  const data = { email: newEmail(), password: PASSWORD, delivery: "cookies" };
  const { auth } = here.world;
  const answer = await context.request.post(`${auth}/auth/register`, { data, headers: { origin: auth } });
  assert.equal(answer.status(), 201);
}

/** Our pages, and how to get there. */
const PAGES = {
  home: () => "/",
  "set-up": setUpLink,
  reference: () => "/docs",
  "error codes": () => "/docs/problems",
  error: () => "/error?code=invalid_credentials",
  "sign-in": () => "/sign-in",
  "sign-up": () => "/sign-up",
  "sign-out": (context) => signIn(context).then(() => "/sign-out"),
  account: (context) => signIn(context).then(() => "/account"),
  password: (context) => signIn(context).then(() => "/account/password"),
  passkeys: (context) => signIn(context).then(() => "/account/passkeys"),
};

for (const [name, address] of Object.entries(PAGES)) {
  here.scene(`${name}: its policy lets nothing inline be, and it keeps to that`, async (context) => {
    await context.addInitScript(() => {
      globalThis.violations = [];
      addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
        violations.push(`${effectiveDirective} ${blockedURI}`);
      });
    });
    const tab = await context.newPage();
    const problems = [];
    tab.on("pageerror", (error) => problems.push(String(error)));
    tab.on("requestfailed", (request) => problems.push(`${request.url()} ${request.failure()?.errorText}`));
    tab.on("response", (answer) => answer.status() >= 400 && problems.push(`${answer.status()} ${answer.url()}`));
    const url = new URL(await address(context), here.world.auth);
    const answer = await tab.goto(url.href);
    assert.deepEqual([answer.status(), new URL(tab.url()).pathname], [200, url.pathname]);

    const policy = await answer.headerValue("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe-|\*/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /base-uri 'none'/);

    // What the page itself does is allowed.
    for (const field of await tab.$$("input:visible:not([readonly])")) await field.fill("x@example.org");
    assert.deepEqual(await tab.evaluate(() => violations), []);
    assert.deepEqual(problems, []);

    // What somebody injects is not.
    const ran = await tab.evaluate(async () => {
      globalThis.ran = [];
      const inject = (tag, change) => document.body.append(Object.assign(document.createElement(tag), change));
      inject("script", { textContent: "ran.push('inline script')" });
      inject("script", { src: "data:text/javascript,ran.push('data: script')" });
      document.body.insertAdjacentHTML("beforeend", `<button id="injected" onclick="ran.push('handler')">x</button>`);
      document.getElementById("injected").click();
      document.body.insertAdjacentHTML("beforeend", `<p id="styled" style="position: fixed">x</p>`);
      if (getComputedStyle(document.getElementById("styled")).position === "fixed") ran.push("style attribute");
      inject("style", { textContent: "#styled { opacity: 0.5 }" });
      if (getComputedStyle(document.getElementById("styled")).opacity === "0.5") ran.push("style element");
      await new Promise((resolve) => {
        inject("img", { src: "https://elsewhere.example/x.png", onload: resolve, onerror: resolve });
      });
      await fetch("https://elsewhere.example/").catch(() => undefined);
      return ran;
    });
    assert.deepEqual(ran, []);
    const blocked = new Set((await tab.evaluate(() => violations)).map((violation) => violation.split(" ")[0]));
    for (const directive of ["script-src-elem", "script-src-attr", "style-src-attr", "style-src-elem", "img-src", "connect-src"]) {
      assert(blocked.has(directive), `${directive} of ${[...blocked]}`);
    }
  });
}

here.scene("the page of the example keeps to its policy, too", async (context) => {
  const tab = await context.newPage();
  const blocked = [];
  tab.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) blocked.push(message.text());
  });
  await tab.goto(here.world.page);
  await tab.waitForSelector('body[data-state="signed-out"]', { state: "attached" });
  assert.deepEqual(blocked, []);
  await tab.evaluate(() => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "globalThis.ran = true" }));
  });
  assert.equal(await tab.evaluate(() => globalThis.ran), undefined);
  assert.equal(blocked.length, 1);
});
