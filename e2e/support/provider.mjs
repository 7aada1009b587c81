// An identity provider that others have written, and certified: oidc-provider. People sign in to it under any name, which
// is their id there.

import { once } from "node:events";
import { createServer } from "node:http";
import { freePort } from "../../sdk/typescript/scripts/portcullis.mjs";

// Its advice is for those who go into production with it.
for (const level of ["info", "warn"]) {
  const say = console[level].bind(console);
  console[level] = (...said) => void (String(said[0]).includes("oidc-provider") || say(...said));
}
const { Provider } = await import("oidc-provider");

const CLIENT = "portcullis";
const SECRET = "a secret: with +/ and %";

/**
 * @typedef IdentityProvider
 * @property {Record<string, string>} settings of a Portcullis that knows it under the name
 * @property {Map<string, { email: string, email_verified: boolean, name?: string }>} people by their id; others have no
 *   address
 * @property {(page: import("playwright-core").Page, id: string) => Promise<void>} signIn through its pages, agreeing
 * @property {() => void} close
 */

/**
 * @param {string} name
 * @param {() => string} redirectUri where it sends people back to; asked when somebody comes
 * @returns {Promise<IdentityProvider>}
 */
export async function startProvider(name, redirectUri) {
  // Its cookies hold on this host alone; ours are of `localhost`.
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const people = new Map();
  const newProvider = () =>
    new Provider(issuer, {
      clients: [{ client_id: CLIENT, client_secret: SECRET, redirect_uris: [redirectUri()] }],
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      cookies: { keys: ["a key of the tests"] },
      pkce: { required: () => true },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
    });
  let answer;
  const server = createServer((request, response) => {
    answer ??= newProvider().callback();
    answer(request, response);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  const key = (of) => `PORTCULLIS_PROVIDERS__${name.toUpperCase()}__${of}`;
  return {
    people,
    settings: {
      [key("KIND")]: "oidc",
      [key("TITLE")]: "The Fellowship",
      [key("ISSUER")]: issuer,
      [key("CLIENT_ID")]: CLIENT,
      [key("CLIENT_SECRET")]: SECRET,
      PORTCULLIS_OUTBOUND__ALLOW: "127.0.0.1",
    },
    async signIn(page, id) {
      await page.waitForURL(`${issuer}/interaction/*`);
      await page.fill("[name=login]", id);
      await page.fill("[name=password]", "any");
      await page.click("button[type=submit]");
      await page.click("input[value=consent] ~ button[type=submit]");
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
