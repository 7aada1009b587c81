// Starts a Portcullis with a directory of its own, for tests and scripts.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Milliseconds until a server that has not become ready has failed. */
const PATIENCE = 30_000;

/** What makes sign-ins cheap, and lets a test sign in as often as it likes. */
const CHEAP = {
  PORTCULLIS_PASSWORD__MEMORY_KIB: "8",
  PORTCULLIS_PASSWORD__ITERATIONS: "1",
  PORTCULLIS_RATE_LIMIT__ENABLED: "false",
};

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/**
 * @typedef Portcullis
 * @property {string} url where it listens, and its `server.public_url`
 * @property {string} directory its working directory: `log`, and `data/` with the database
 * @property {() => Promise<void>} start after `end`
 * @property {() => Promise<void>} end ends it and keeps what it has stored
 * @property {() => Promise<void>} stop ends it for good
 * @property {(args: string[], input?: string) => Promise<string>} run runs a command on the same database
 */

/**
 * @param {Record<string, string>} [settings] further environment, `PORTCULLIS_…`
 * @param {number} [wanted] the port
 * @returns {Promise<Portcullis>}
 */
export async function startPortcullis(settings = {}, wanted = 0) {
  const named = process.env.PORTCULLIS_BIN;
  if (!named) throw new Error("PORTCULLIS_BIN is not set. Name a portcullis that is built: target/debug/portcullis");
  const binary = resolve(named);
  const directory = await mkdtemp(join(tmpdir(), "portcullis-sdk-"));
  const port = wanted || (await freePort());
  const url = `http://localhost:${port}`;
  const env = { ...CHEAP, PORTCULLIS_SERVER__PUBLIC_URL: url, ...settings };
  let process_;

  async function start() {
    const log = openSync(join(directory, "log"), "a");
    process_ = spawn(binary, ["serve", "--listen", `127.0.0.1:${port}`], {
      cwd: directory,
      env,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const failed = once(process_, "error").then(([error]) => {
      throw new Error(`${binary}: ${error.message}. Build it, or name it in PORTCULLIS_BIN.`);
    });
    await Promise.race([failed, ready(url, process_, join(directory, "log"))]);
  }

  async function end() {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    const gone = once(process_, "exit");
    process_.kill("SIGTERM");
    await gone;
  }

  await start();
  return {
    url,
    directory,
    start,
    end,
    async stop() {
      await end();
      await rm(directory, { recursive: true, force: true });
    },
    async run(args, input = "") {
      const command = spawn(binary, args, { cwd: directory, env, stdio: ["pipe", "pipe", "pipe"] });
      let told = "";
      for (const stream of [command.stdout, command.stderr]) stream.on("data", (part) => (told += part));
      command.stdin.end(input);
      const [status] = await once(command, "close");
      if (status !== 0) throw new Error(`portcullis ${args.join(" ")}: ${told}`);
      return told;
    },
  };
}

async function ready(url, process_, log) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    if (process_.exitCode !== null || Date.now() > end) throw new Error(`Portcullis did not start:\n${await readFile(log, "utf8")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
