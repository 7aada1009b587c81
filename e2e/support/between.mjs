// Stands between the browser and Portcullis: counts what arrives there, and tells another time than it is.

import { once } from "node:events";
import { createServer, request as send } from "node:http";

/**
 * @typedef Between
 * @property {string} url
 * @property {number} refreshes that have arrived
 * @property {number} ahead by how many milliseconds the time in answers is ahead
 * @property {() => void} close
 */

/**
 * @param {() => string} target where Portcullis listens, asked for each request
 * @param {number} port
 * @returns {Promise<Between>}
 */
export async function startBetween(target, port) {
  const between = { url: `http://localhost:${port}`, refreshes: 0, ahead: 0, close };
  const server = createServer((request, response) => {
    const { method, headers, url } = request;
    if (method === "POST" && url === "/auth/refresh") between.refreshes += 1;
    const onward = send(target() + url, { method, headers }, (answer) => {
      const date = new Date(Date.now() + between.ahead).toUTCString();
      response.writeHead(answer.statusCode, { ...answer.headers, date });
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return between;

  function close() {
    server.closeAllConnections();
    server.close();
  }
}
