// Reports tests of node:test a line each, and closes with a line that other runners close with, too.

export default async function* (events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message;
    // A file and a suite are counted by what is in them, unless it broke down as a whole.
    if (type !== "test:pass" && type !== "test:fail") continue;
    const isGroup = data.details?.type === "suite" || data.name === data.file || data.name.endsWith(".js") || data.name.endsWith(".mjs");
    if (type === "test:pass") {
      if (isGroup) continue;
      passed++;
      yield `ok      ${data.name}\n`;
    } else {
      failed++;
      const { error } = data.details;
      yield `FAILED  ${data.name}\n${error?.cause?.stack ?? error?.stack ?? error}\n`;
    }
  }
  yield `\n${passed} passed, ${failed} failed\n`;
}
