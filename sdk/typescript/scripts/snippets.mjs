// Checks the types of every TypeScript snippet: of README.md, of pages in docs/, and of the comments in src/.
//
// A snippet stands for itself. It sees the built package under its own name, as a user's program would, and what
// test-d/ambient/ declares of frameworks that are not installed here.

import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("..", import.meta.url));
const out = join(here, ".build/snippets");

async function sources() {
  const files = await readdir(join(here, "src"), { recursive: true });
  const own = files.filter((file) => file.endsWith(".ts")).map((file) => join(here, "src", file));
  const pages = ["README.md", "../../docs/typescript.md", "../../docs/nextjs.md"].map((page) => join(here, page));
  return [...pages, ...own];
}

/** Fenced blocks with the line they begin in; in comments without the ` * ` before each line. */
function snippetsOf(text, isPage) {
  const fence = isPage ? /^```(ts|tsx)\n([\s\S]*?)^```$/gm : /^ *\* ```(ts|tsx)\n([\s\S]*?)^ *\* ```$/gm;
  return [...text.matchAll(fence)].map(({ 1: language, 2: block, index }) => ({
    language,
    line: text.slice(0, index).split("\n").length,
    code: isPage ? block : block.replace(/^ *\* ?/gm, ""),
  }));
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
let count = 0;
for (const file of await sources()) {
  const isPage = file.endsWith(".md");
  for (const { language, line, code } of snippetsOf(await readFile(file, "utf8"), isPage)) {
    const name = file.slice(here.length).replace(/\W+/g, "-").replace(/^-+/, "");
    await writeFile(join(out, `${name}-line-${line}.${language}`), `${code}\nexport {};\n`);
    count++;
  }
}
const options = {
  extends: "../../tsconfig.json",
  compilerOptions: { noEmit: true, rootDir: "../..", noUnusedLocals: false, noUnusedParameters: false, jsx: "preserve", skipLibCheck: true },
  include: [".", "../../test-d/ambient"],
};
await writeFile(join(out, "tsconfig.json"), JSON.stringify(options));
const { status } = spawnSync("npx", ["tsc", "-p", join(out, "tsconfig.json")], { cwd: here, stdio: "inherit" });
console.log(`${count} snippets ${status === 0 ? "hold" : "were checked, and not all hold"}`);
process.exitCode = status ?? 1;
