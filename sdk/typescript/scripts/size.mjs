// Measures what a page has to load, minified and compressed: of all that the browser entry exports, and of what no page
// does without.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMITS = { all: 9 * 1024, client: 6.5 * 1024 };

async function sizeOf(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL("..", import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const all = await sizeOf('export * from "./dist/index.js";');
const client = await sizeOf('export { createClient } from "./dist/index.js";');
console.log(`all of @portcullis/client: ${all} bytes, at most ${LIMITS.all}`);
console.log(`createClient alone: ${client} bytes, at most ${LIMITS.client}`);
if (all >= LIMITS.all || client >= LIMITS.client) {
  console.error("Too large. What is not needed in every page belongs into a function of its own, or into the server half.");
  process.exitCode = 1;
}
