// A Portcullis, and the page of examples/spa with its service: two origins of one site.

import { once } from "node:events";
import { copyFile, mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { freePort, startPortcullis } from "../../sdk/typescript/scripts/portcullis.mjs";
import { createSite } from "../../examples/spa/server.mjs";
import { startBetween } from "./between.mjs";
import { OUT } from "./out.mjs";
import { claimsOf } from "./tokens.mjs";

/** Seconds by which the service lets tokens outlive their end. */
const LEEWAY = 1;

/**
 * @typedef World
 * @property {import("../../sdk/typescript/scripts/portcullis.mjs").Portcullis} portcullis
 * @property {string} auth its public URL
 * @property {import("./between.mjs").Between} [between] if there shall be one
 * @property {string} page where the page is
 * @property {{ refused: number, lastEnd: number, expire: () => void, forgetKeys: () => void }} service how often it has
 *   refused; when the last token that it has seen ends, in milliseconds since the Unix epoch; `expire` ends all that it has
 *   seen; `forgetKeys` makes it ask for Portcullis' keys at the next token
 * @property {() => Promise<void>} stop
 */

/**
 * @param {Record<string, string>} [settings] of Portcullis: `PORTCULLIS_…`
 * @param {{ isBetween?: boolean }} [options]
 * @returns {Promise<World>}
 */
export async function startWorld(settings, { isBetween = false } = {}) {
  const port = await freePort();
  const page = `http://localhost:${port}`;
  let portcullis;
  const between = isBetween ? await startBetween(() => portcullis.url, await freePort()) : undefined;
  portcullis = await startPortcullis({
    PORTCULLIS_SERVER__CORS_ORIGINS: page,
    PORTCULLIS_CSRF__TRUSTED_ORIGINS: page,
    ...(between && { PORTCULLIS_SERVER__PUBLIC_URL: between.url }),
    ...settings,
  });
  const auth = between?.url ?? portcullis.url;
  const newSite = () => createSite({ portcullis: auth, pace: 20 });
  let site = newSite();
  const service = createService();
  service.forgetKeys = () => void (site = newSite());
  const server = createServer((request, response) => {
    if (!service.refuses(request, response)) site.emit("request", request, response);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    portcullis,
    auth,
    between,
    page,
    service,
    async stop() {
      server.closeAllConnections();
      server.close();
      await portcullis.end();
      await keepLog(portcullis);
      await portcullis.stop();
      between?.close();
    },
  };
}

/** What Portcullis has said while the tests of a file ran. */
async function keepLog({ directory }) {
  await mkdir(OUT, { recursive: true });
  await copyFile(join(directory, "log"), join(OUT, `portcullis-of-${basename(process.argv[1], ".test.mjs")}.log`));
}

/** Stands before the example's service and is stricter than that: to the second, or to a word of the test. */
function createService() {
  const seen = new Set();
  const expired = new Set();
  const service = {
    refused: 0,
    /** The latest end of a token that it has seen, in milliseconds since the Unix epoch. */
    lastEnd: 0,
    expire() {
      for (const token of seen) expired.add(token);
      seen.clear();
    },
    refuses(request, response) {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
      if (!token) return false;
      const end = (claimsOf(token).exp + LEEWAY) * 1000;
      if (!expired.has(token) && Date.now() < end) {
        seen.add(token);
        service.lastEnd = Math.max(service.lastEnd, end);
        return false;
      }
      service.refused += 1;
      response.writeHead(401, { "content-type": "application/problem+json", "www-authenticate": 'Bearer error="invalid_token"' });
      response.end(JSON.stringify({ title: "Expired", status: 401, code: "invalid_token" }));
      return true;
    },
  };
  return service;
}
