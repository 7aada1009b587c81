// A site whose pages are rendered on the server, without a script in any of them. The session is in HttpOnly cookies of
// this host; Portcullis stands behind it and is reached by nobody else.
//
//   node server.mjs      PORT (8600), PORTCULLIS_INTERNAL_URL (http://127.0.0.1:8400), SITE_URL (http://localhost:8600)

import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { expressAuth, expressHandler } from "../../sdk/typescript/dist/server/express.js";
import { createServerAuth, isPortcullisError } from "../../sdk/typescript/dist/server/index.js";
import { accountPage, homePage, messagePage, signInPage } from "./pages.mjs";

const LONGEST_FORM = 8_192;

class TooLong extends Error {}

/**
 * @param {{ portcullis: string, site: string }} options where Portcullis is reached, and its `server.public_url`: this site's
 */
export function createSite({ portcullis, site }) {
  const auth = createServerAuth({ baseUrl: portcullis, issuer: site, origins: [site] });
  const visits = expressAuth(auth);
  const handOn = expressHandler(auth);

  /** Every page by its method and path. Who asks stands in `request.auth`. */
  const pages = {
    "GET /": async ({ auth: visit }) => ok(homePage(await visit.getUser())),

    "GET /sign-in": async ({ auth: visit }) => (visit.claims ? seeOther("/account") : ok(signInPage())),

    async "POST /sign-in"({ auth: visit, form }) {
      const credentials = { email: form.get("email") ?? "", password: form.get("password") ?? "" };
      try {
        if (form.get("new")) await visit.register(credentials);
        else await visit.login(credentials);
        return seeOther("/account");
      } catch (error) {
        if (!isPortcullisError(error) || error.status === 0 || error.status >= 500) throw error;
        const fields = error.fields.map(({ message }) => message).join(" ");
        return { status: 422, body: signInPage(credentials.email, fields || error.message) };
      }
    },

    async "GET /account"({ auth: visit }) {
      const user = await visit.getUser();
      return user ? ok(accountPage(user, visit.claims)) : seeOther("/sign-in");
    },

    async "POST /sign-out"({ auth: visit }) {
      await visit.logout();
      return seeOther("/");
    },
  };

  async function answer(request, response) {
    if (!URL.canParse(request.url, site)) return write(response, { status: 400, body: messagePage("That is no address.") });
    const { pathname } = new URL(request.url, site);
    if (pathname.startsWith("/auth/")) return run(handOn, request, response);
    const page = pages[`${request.method} ${pathname}`];
    if (!page) return write(response, { status: 404, body: messagePage("There is no such page.") });
    await run(visits, request, response);
    // It cannot be known who this is. That is no sign-out, so it must not look like one.
    if (request.auth.status === "unavailable") throw request.auth.problem;
    if (request.method === "POST") request.form = await formOf(request);
    write(response, await page(request));
  }

  return createServer((request, response) => {
    answer(request, response).catch((error) => {
      // What has begun cannot be taken back.
      if (response.headersSent) return response.destroy();
      if (error instanceof TooLong) {
        // What is left of it is not read.
        return write(response, { status: 413, headers: { connection: "close" }, body: messagePage("That is too long.") });
      }
      const isOut = isPortcullisError(error) && error.code !== "csrf_failed";
      if (!isPortcullisError(error)) console.error(error);
      const body = messagePage(isOut ? "We shall be back in a moment." : "That did not work.");
      write(response, { status: isOut ? 503 : error.status || 500, body });
    });
  });
}

const ok = (body) => ({ status: 200, body });
const seeOther = (location) => ({ status: 303, headers: { location }, body: "" });

function write(response, { status, headers, body }) {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "private, no-store",
    "content-security-policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ...headers,
  });
  response.end(body);
}

/** A middleware as something that can be waited for. */
function run(middleware, request, response) {
  return new Promise((resolve, reject) => {
    response.once("close", resolve);
    middleware(request, response, (error) => (error ? reject(error) : resolve()));
  });
}

async function formOf(request) {
  let text = "";
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    text += part;
    if (text.length > LONGEST_FORM) throw new TooLong();
  }
  return new URLSearchParams(text);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const port = Number(process.env.PORT ?? 8600);
  const portcullis = process.env.PORTCULLIS_INTERNAL_URL ?? "http://127.0.0.1:8400";
  const site = process.env.SITE_URL ?? `http://localhost:${port}`;
  createSite({ portcullis, site }).listen(port, "127.0.0.1", () => console.log(`The site is at ${site}`));
}
