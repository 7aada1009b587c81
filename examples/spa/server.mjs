// Serves the page, and is the service that the page talks to: it streams replies to whoever has a good access token.
//
//   node server.mjs      PORT (8500), PORTCULLIS_URL (http://localhost:8400)

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { pathToFileURL, fileURLToPath } from "node:url";
import { createServerAuth, isPortcullisError, PortcullisError } from "../../sdk/typescript/dist/server/index.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const PAGES = join(here, "public");
const SDK = join(here, "../../sdk/typescript/dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** What somebody may say at once. */
const LONGEST = 4_000;
/** Milliseconds between two words. */
const PACE = 150;

/**
 * @param {{ portcullis: string, pace?: number }} options `portcullis`: its public URL
 */
export function createSite({ portcullis, pace = PACE }) {
  const auth = createServerAuth({ baseUrl: portcullis });

  return createServer(async (request, response) => {
    try {
      if (!URL.canParse(request.url, "http://localhost")) return response.writeHead(400).end();
      const { pathname } = new URL(request.url, "http://localhost");
      if (pathname === "/things") return await things(request, response);
      if (pathname === "/chat/stream") return await chat(request, response);
      await file(pathname, response);
    } catch (error) {
      // What has begun cannot be refused any more, and whoever has gone wants no answer.
      if (response.headersSent || response.destroyed) return response.destroy();
      if (isPortcullisError(error)) return refuse(response, error);
      console.error(error);
      response.writeHead(500).end();
    }
  });

  /** Who asks. Cookies say nothing here, so no page of another site can ask for anybody. */
  async function caller(request) {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const claims = await auth.verify(token ?? "");
    if (claims.read_only && request.method !== "GET" && request.method !== "HEAD") {
      throw new PortcullisError("read_only_session", "Who only looks changes nothing.", { status: 403 });
    }
    return claims;
  }

  async function things(request, response) {
    const { sub, gen } = await caller(request);
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify({ user: sub, gen, things: ["a lamp", "a map", "a key"] }));
  }

  async function chat(request, response) {
    const { exp } = await caller(request);
    let said = "";
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      said += part;
      if (said.length > LONGEST) return response.writeHead(413, { connection: "close" }).end();
    }
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
    for (const word of `You said: ${said}`.split(/\s+/)) {
      // A stream lasts no longer than the token that began it.
      if (response.destroyed || Date.now() > exp * 1000) break;
      response.write(`${word} `);
      await new Promise((resolve) => setTimeout(resolve, pace));
    }
    response.end();
  }

  async function file(pathname, response) {
    const [root, name] = pathname.startsWith("/sdk/") ? [SDK, pathname.slice(5)] : [PAGES, pathname.slice(1) || "index.html"];
    const type = TYPES[extname(name)];
    const body = type && !name.includes("..") ? await readFile(join(root, name)).catch(() => undefined) : undefined;
    if (!body) return response.writeHead(404).end("Not found");
    response.writeHead(200, {
      "content-type": type,
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      // No script but the page's own files, and nobody to talk to but this server and Portcullis.
      "content-security-policy":
        `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${portcullis}; ` +
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    });
    response.end(name.endsWith(".html") ? body.toString().replaceAll("{portcullis}", portcullis) : body);
  }
}

function refuse(response, { code, message, status }) {
  // What could not be found out is a fault, and no refusal.
  const answer = status === 401 || status === 403 ? status : 503;
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (answer === 401) headers["www-authenticate"] = 'Bearer error="invalid_token"';
  response.writeHead(answer, headers).end(JSON.stringify({ title: message, detail: message, status: answer, code }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const port = Number(process.env.PORT ?? 8500);
  const portcullis = process.env.PORTCULLIS_URL ?? "http://localhost:8400";
  createSite({ portcullis }).listen(port, "127.0.0.1", () => console.log(`The page is at http://localhost:${port}`));
}
