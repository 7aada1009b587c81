/** The client with a real Portcullis, which `run-tests` names in `PORTCULLIS_BIN`. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Portcullis, startPortcullis } from "../../scripts/portcullis.mjs";
import { changePassword, endSession, getConfig, listSessions, updateUser } from "../../src/index.js";
import { closeAll, Jar, newcomer, PASSWORD } from "../support/real.js";
import { refusal } from "../support/world.js";

const APP = "http://localhost:8999";
let portcullis: Portcullis;

before(async () => {
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: APP,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: APP,
  });
});
after(async () => {
  closeAll();
  await portcullis?.stop();
});

const signedUp = () => newcomer(APP, portcullis.url);

test("signing up, reading, changing, signing out and in again", async () => {
  const { jar, client, email } = await signedUp();
  assert.equal((await client.getUser({ fresh: true }))?.email, email);
  assert.equal((await updateUser(client, { name: "Countess" })).name, "Countess");
  assert.equal(client.session?.user.name, "Countess");
  assert.equal((await listSessions(client)).items.length, 1);
  await client.logout();
  assert(!jar.cookies.some(([name]) => name === "pc_refresh"));
  assert.equal(await client.getUser(), null);
  assert.equal((await refusal(client.login({ email, password: "wrong, and long enough" }))).code, "invalid_credentials");
  assert.equal((await client.login({ email, password: PASSWORD })).user.name, "Countess");
});

test("after loading the page the session is there, and so is its successor for who asks twice", async () => {
  const { jar, client, email } = await signedUp();
  const tabs = [jar.tab(portcullis.url), jar.tab(portcullis.url)];
  const users = await Promise.all(tabs.map((tab) => tab.getUser()));
  assert(users.every((user) => user?.email === email));
  const [one, two] = await Promise.all(tabs.map((tab) => tab.refresh()));
  assert.equal(one?.id, two?.id);
  assert.equal((await client.refresh())?.user.email, email);
});

test("signing in over a session that is there", async () => {
  const { jar, email } = await signedUp();
  const other = jar.tab(portcullis.url);
  const session = await other.login({ email, password: PASSWORD });
  assert.equal((await other.refresh())?.id, session.id);
  assert.equal((await listSessions(other)).items.length, 1);
});

test("a changed password: this session goes on, the others end", async () => {
  const { client, email } = await signedUp();
  const elsewhere = new Jar(APP).tab(portcullis.url);
  await elsewhere.login({ email, password: PASSWORD });
  const newPassword = "eight yellow bridges";
  const wrong = changePassword(client, { currentPassword: "wrong, and long enough", newPassword });
  assert.equal((await refusal(wrong)).code, "wrong_password");
  const short = await refusal(changePassword(client, { currentPassword: PASSWORD, newPassword: "short" }));
  assert.deepEqual([short.code, short.fields[0]?.field], ["validation_failed", "new_password"]);
  await changePassword(client, { currentPassword: PASSWORD, newPassword });
  assert.equal((await client.refresh())?.user.email, email);
  const reasons: string[] = [];
  elsewhere.onSignedOut((reason) => reasons.push(reason));
  assert.equal(await elsewhere.refresh(), null);
  assert.deepEqual(reasons, ["refresh_revoked"]);
});

test("ended from elsewhere, at once and for good", async () => {
  const { client, email } = await signedUp();
  const elsewhere = new Jar(APP).tab(portcullis.url);
  const { id } = await elsewhere.login({ email, password: PASSWORD });
  await endSession(client, id);
  assert.equal(await elsewhere.getUser({ fresh: true }).catch(() => null), null);
  assert.equal(elsewhere.session, null);
  await client.logoutEverywhere();
  assert.equal(client.session, null);
});

test("a restart of Portcullis signs nobody out", async () => {
  const { client, email } = await signedUp();
  await portcullis.end();
  assert.equal((await refusal(client.refresh())).code, "network_error");
  await portcullis.start();
  assert.equal((await client.refresh())?.user.email, email);
});

test("a page of an origin that is not listed", async () => {
  const jar = new Jar("http://evil.localhost:8999");
  const login = jar.tab(portcullis.url).login({ email: "user-1@example.org", password: PASSWORD });
  assert.equal((await refusal(login)).code, "csrf_failed");
});

test("what a sign-in page needs", async () => {
  const config = await getConfig(new Jar(APP).tab(portcullis.url));
  assert.equal(config.registration.open, true);
  assert(config.password.min_length >= 8);
});
