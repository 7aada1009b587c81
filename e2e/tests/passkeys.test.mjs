// Passkeys on our own pages, with Chromium's authenticator.

import assert from "node:assert/strict";
import { addAuthenticator } from "../support/authenticator.mjs";
import { moveClock, moveClocks } from "../support/clock.mjs";
import { stage } from "../support/stage.mjs";
import { newEmail, PASSWORD } from "../support/tab.mjs";

const here = stage();
const at = (path) => here.world.auth + path;
const NAMES = ".sessions li strong";
const START = "/auth/passkeys/login/start";

async function send(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill(`[name=${name}]`, value);
  await page.click("#submit");
}

/** Somebody new at the page of passkeys, with an authenticator. */
async function newcomer(context, options) {
  const email = newEmail();
  const page = await context.newPage();
  const authenticator = await addAuthenticator(page, options);
  await page.goto(at("/sign-up?return_to=/account/passkeys"));
  await send(page, { email, password: PASSWORD });
  await page.waitForURL(at("/account/passkeys"));
  return { page, email, authenticator };
}

/** Adds a passkey. With the first one come recovery codes; resolves to their number. */
async function add(page, name) {
  await page.fill("#name", name);
  await page.click("#add");
  await page.waitForSelector(`#codes, ${NAMES}:text-is("${name}")`);
  const codes = await page.locator("#codes li").count();
  if (codes > 0) await page.click("text=I have kept them");
  await page.waitForSelector(`${NAMES}:text-is("${name}")`);
  return codes;
}

async function signOut(page) {
  await page.goto(at("/sign-out"));
  await page.click("#submit");
  await page.waitForSelector("text=You are signed out");
}

/** Opens the sign-in page where nothing is offered in its field, so that the button is what signs in. */
async function toSignIn(page, query = "?return_to=/account") {
  await page.goto(at(`/sign-in${query}`));
  await page.waitForSelector("#use-passkey:not([hidden])");
}

/** What the page offers in the field for the name would sign in before anybody presses the button. */
const withoutOffers = (context) =>
  context.addInitScript(() => {
    PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  });

const whoIs = (page) => page.textContent("#email");

/** Shows a passkey after the password, and comes in as the user of `email`. */
async function showSecond(page, email) {
  await page.waitForURL(at("/sign-in/factor?return_to=%2Faccount"));
  await page.waitForSelector("#use-passkey:not([hidden])");
  await page.click("#passkey");
  await page.waitForURL(at("/account"));
  assert.equal(await whoIs(page), email);
}

here.scene("register, sign in without a name, and the session is one like any other", async (context) => {
  await withoutOffers(context);
  const { page, email, authenticator } = await newcomer(context);
  assert((await add(page, "laptop")) >= 8, "recovery codes come with it");
  const [credential] = await authenticator.credentials();
  assert.equal(credential.isResidentCredential, true);
  assert.equal(credential.rpId, "localhost");
  await signOut(page);
  await toSignIn(page);
  assert.equal(await page.inputValue("#email"), "");
  await page.click("#passkey");
  await page.waitForURL(at("/account"));
  assert.equal(await whoIs(page), email);
  await page.goto(at("/account/passkeys"));
  await page.waitForSelector("text=last used");
});

here.scene("what is offered in the field for the name signs in", async (context) => {
  const { page, email, authenticator } = await newcomer(context);
  await add(page, "phone");
  await signOut(page);
  // The authenticator is there and its user, too: what is offered is taken.
  await page.goto(at("/sign-in?return_to=/account"));
  await page.waitForURL(at("/account"));
  assert.equal(await whoIs(page), email);
  assert.equal((await authenticator.credentials()).length, 1);
});

here.scene("several, each by its name: renamed and removed", async (context) => {
  await withoutOffers(context);
  const { page, authenticator } = await newcomer(context);
  await add(page, "one");
  const [first] = await authenticator.credentials();
  // Another device: the first one would not make a second passkey for the same user.
  await authenticator.remove();
  const other = await addAuthenticator(page);
  await add(page, "two");
  assert.deepEqual(await page.locator(NAMES).allTextContents(), ["one", "two"]);
  await page.selectOption("#passkey", { label: "one" });
  await page.fill("#new_name", "desk");
  await page.click("#rename");
  await page.waitForSelector(`${NAMES}:text-is("desk")`);
  await page.click('[aria-label="Remove the passkey desk"]');
  await page.waitForFunction(() => document.querySelectorAll(".sessions li").length === 1);
  await signOut(page);
  const [second] = await other.credentials();
  // The one that is gone signs nobody in, the other does.
  await other.forget();
  await other.add(first);
  await toSignIn(page);
  await page.click("#passkey");
  await page.waitForSelector('#message[data-code="invalid_credentials"]');
  await other.forget();
  await other.add(second);
  await toSignIn(page);
  await page.click("#passkey");
  await page.waitForURL(at("/account"));
});

here.scene("the same device twice: the browser says so, and nothing is added", async (context) => {
  const { page } = await newcomer(context);
  await add(page, "one");
  await page.fill("#name", "again");
  await page.click("#add");
  await page.waitForSelector("text=has a passkey for this user already");
  await page.reload();
  assert.deepEqual(await page.locator(NAMES).allTextContents(), ["one"]);
});

here.scene("a counter that goes backwards", async (context) => {
  await withoutOffers(context);
  const { page, authenticator } = await newcomer(context);
  await add(page, "one");
  for (let time = 0; time < 2; time++) {
    await signOut(page);
    await toSignIn(page);
    await page.click("#passkey");
    await page.waitForURL(at("/account"));
  }
  const [credential] = await authenticator.credentials();
  assert(credential.signCount >= 3, `${credential.signCount}`);
  await signOut(page);
  await authenticator.forget();
  await authenticator.add({ ...credential, signCount: 1 });
  await toSignIn(page);
  await page.click("#passkey");
  await page.waitForSelector('#message[data-code="invalid_credentials"]');
  const told = await here.world.portcullis.run(["audit", "list", "--json"]);
  assert.match(told, /passkey\.copied/);
});

here.scene("a user who does not show that it is them", async (context) => {
  await withoutOffers(context);
  const { page, authenticator } = await newcomer(context);
  await add(page, "one");
  await signOut(page);
  await authenticator.verifies(false);
  await toSignIn(page);
  await page.click("#passkey");
  await page.waitForSelector("text=Nothing was done");
  assert.equal(new URL(page.url()).pathname, "/sign-in");
});

here.scene("a page of another origin: by itself, and with an answer that it passes on", async (context) => {
  const { page, authenticator } = await newcomer(context);
  await add(page, "one");
  const [credential] = await authenticator.credentials();
  const evil = await context.newPage();
  const stolen = await addAuthenticator(evil);
  await stolen.add(credential);
  // Another port of the same host: the browser lets it ask for the same relying party.
  await evil.goto(here.world.page);
  const begun = await (await context.request.post(at(START))).json();
  const answer = await evil.evaluate(async ({ publicKey }) => {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    return (await navigator.credentials.get({ publicKey: options })).toJSON();
  }, begun);
  const finish = { ceremony: begun.ceremony, credential: answer };
  const reply = await context.request.post(at("/auth/passkeys/login/finish"), { data: finish });
  assert.deepEqual([reply.status(), (await reply.json()).code], [401, "invalid_credentials"]);
  // Of another site it does not even ask.
  await evil.goto(here.world.page.replace("localhost", "127.0.0.1"));
  const refused = await evil.evaluate(async ({ publicKey }) => {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    return navigator.credentials.get({ publicKey: options }).then(String, (error) => error.name);
  }, begun);
  assert.equal(refused, "SecurityError");
});

here.scene("an answer that was used, and one for another ceremony", async (context) => {
  const { page } = await newcomer(context);
  await add(page, "one");
  const begin = async () => (await context.request.post(at(START))).json();
  const answered = (begun) =>
    page.evaluate(async ({ publicKey }) => {
      const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
      return (await navigator.credentials.get({ publicKey: options })).toJSON();
    }, begun);
  const finish = async (ceremony, credential) => {
    const reply = await context.request.post(at("/auth/passkeys/login/finish"), { data: { ceremony, credential } });
    return [reply.status(), (await reply.json()).code];
  };
  const [one, two] = [await begin(), await begin()];
  const credential = await answered(one);
  assert.deepEqual(await finish(two.ceremony, credential), [401, "invalid_credentials"]);
  assert.deepEqual(await finish(one.ceremony, credential), [200, undefined]);
  assert.deepEqual(await finish(one.ceremony, credential), [400, "passkey_refused"]);
});

here.scene("another user's credential is refused as the second factor", async (context) => {
  await withoutOffers(context);
  const { page, email, authenticator } = await newcomer(context);
  await add(page, "one");
  const [own] = await authenticator.credentials();
  const elsewhere = await here.browser.newPerson();
  const other = await newcomer(elsewhere);
  await add(other.page, "one");
  const [foreign] = await other.authenticator.credentials();
  await elsewhere.close();
  await signOut(page);
  // Somebody who knows the password, with a device of their own.
  const hold = async (credential) => {
    await authenticator.forget();
    await authenticator.add(credential);
  };
  await hold(foreign);
  await toSignIn(page);
  await send(page, { email, password: PASSWORD });
  await page.waitForURL(at("/sign-in/factor?return_to=%2Faccount"));
  await page.waitForSelector("#use-passkey:not([hidden])");
  await page.click("#passkey");
  await page.waitForSelector('#message[data-code="wrong_code"]');

  // A browser that is told whose passkeys are meant has none; one that does not listen is refused by the server.
  const post = async (path, data) => {
    const reply = await context.request.post(at(path), { data });
    return { status: reply.status(), ...(await reply.json()) };
  };
  const { challenge } = await post("/auth/login", { email, password: PASSWORD, delivery: "body" });
  const { ceremony, publicKey } = await post(START, { challenge });
  assert.equal(publicKey.allowCredentials.length, 1);
  const answered = (options) =>
    page.evaluate(async (json) => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
      return navigator.credentials.get({ publicKey }).then((credential) => credential.toJSON(), (error) => error.name);
    }, options);
  assert.equal(await answered(publicKey), "NotAllowedError");
  const factor = { challenge, method: "passkey", ceremony, delivery: "body" };
  const credential = await answered({ ...publicKey, allowCredentials: [] });
  const refused = await post("/auth/login/factor", { ...factor, credential });
  assert.deepEqual([refused.status, refused.code], [403, "wrong_code"]);

  // By now nobody is signed in; whose it is still comes in.
  await page.goto(at("/account"));
  await page.waitForURL(at("/sign-in?return_to=%2Faccount"));
  await hold(own);
  await send(page, { email, password: PASSWORD });
  await showSecond(page, email);
});

here.scene("a page that wakes begins its offer anew, if that is old", async (context) => {
  await moveClocks(context);
  const { page, email, authenticator } = await newcomer(context);
  await add(page, "phone");
  const [credential] = await authenticator.credentials();
  await signOut(page);
  // There is nothing to take yet: the offer waits.
  await authenticator.forget();
  let begun = 0;
  page.on("request", (request) => (begun += request.url().endsWith(START) ? 1 : 0));
  const started = () => page.waitForResponse((answer) => answer.url().endsWith(START));
  const wakes = async (milliseconds) => {
    await moveClock(page, milliseconds);
    await page.evaluate(() => void document.dispatchEvent(new Event("visibilitychange")));
  };
  await Promise.all([started(), page.goto(at("/sign-in?return_to=/account"))]);
  // Somebody may be at the browser's own window.
  await wakes(0);
  await wakes(3 * 60_000);
  assert.equal(begun, 1);
  await Promise.all([started(), wakes(60_000)]);
  assert.equal(begun, 2);
  // What is offered then is good.
  await authenticator.add(credential);
  // The page is left for the account, perhaps while it still wakes.
  await Promise.all([page.waitForURL(at("/account")), wakes(4 * 60_000).catch(() => {})]);
  assert.equal(await whoIs(page), email);
});

here.scene("a second factor beside the password, and to show once more who it is", async (context) => {
  await withoutOffers(context);
  const { page, email } = await newcomer(context);
  await add(page, "one");
  await signOut(page);
  await toSignIn(page);
  await send(page, { email, password: PASSWORD });
  await showSecond(page, email);
  await page.goto(at("/step-up?return_to=/account/passkeys"));
  await page.waitForSelector("#use-passkey:not([hidden])");
  await page.click("#passkey");
  await page.waitForURL(at("/account/passkeys"));
});
