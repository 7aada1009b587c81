// Makes src/generated/ of the OpenAPI document, which the server makes of its own tables.
//
//   node scripts/generate.mjs            asks a Portcullis that it starts itself (PORTCULLIS_BIN names the binary)
//   node scripts/generate.mjs --check    changes nothing, and fails if something would change

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { startPortcullis } from "./portcullis.mjs";

/** What is taken over: the name there, and here where it would say too little or too much. */
const SCHEMAS = new Map([
  ["User", "User"],
  ["Account", "Account"],
  ["TokenResponse", "TokenResponse"],
  ["Session", "SessionInfo"],
  ["SessionPage", "SessionPage"],
  ["ConfigBody", "Config"],
  ["RegistrationBody", "RegistrationRules"],
  ["PasswordBody", "PasswordRules"],
  ["Provider", "Provider"],
  ["Factors", "Factors"],
  ["Factor", "Factor"],
  ["TrustedDevice", "TrustedDevice"],
  ["NewTotpBody", "NewTotp"],
  ["Passkey", "Passkey"],
  ["PasskeyList", "PasskeyList"],
  ["Identity", "Identity"],
  ["IdentityList", "IdentityList"],
]);

const HEAD = "// Made by scripts/generate.mjs of the OpenAPI document. Do not edit.\n\n";

function codesOf(document) {
  const codes = document.components.schemas.Problem.properties.code.enum;
  const list = codes.map((code) => `  "${code}",\n`).join("");
  return `${HEAD}/** Every \`code\` that Portcullis answers with. */
export const SERVER_CODES = [\n${list}] as const;

/** A \`code\` of Portcullis. Stable: programs may rely on it. */
export type ServerCode = (typeof SERVER_CODES)[number];
`;
}

function schemasOf(document) {
  const { schemas } = document.components;
  const parts = [...SCHEMAS].map(([there, here]) => {
    const schema = schemas[there];
    if (!schema) throw new Error(`The document has no schema ${there}. Mend SCHEMAS in scripts/generate.mjs.`);
    const fields = Object.entries(schema.properties).map(([name, field]) => {
      const optional = schema.required?.includes(name) ? "" : "?";
      return `${comment(field.description, "  ")}  readonly ${name}${optional}: ${typeOf(field)};\n`;
    });
    return `${comment(schema.description, "")}export interface ${here} {\n${fields.join("")}}\n`;
  });
  return HEAD + parts.join("\n");
}

function comment(text, indent) {
  if (!text) return "";
  const lines = text.trim().split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

function typeOf(schema) {
  if (schema.$ref) {
    const name = SCHEMAS.get(schema.$ref.split("/").at(-1));
    if (!name) throw new Error(`${schema.$ref} is used and not taken over. Mend SCHEMAS in scripts/generate.mjs.`);
    return name;
  }
  const several = schema.oneOf ?? schema.anyOf;
  if (several) {
    const types = several.map(typeOf);
    return [...types.filter((type) => type !== "null"), ...types.filter((type) => type === "null")].join(" | ");
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  return [schema.type].flat().map((type) => plainType(type, schema)).join(" | ");
}

function plainType(type, schema) {
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return type;
    case "array":
      return `readonly ${schema.items.oneOf ? `(${typeOf(schema.items)})` : typeOf(schema.items)}[]`;
    default:
      throw new Error(`scripts/generate.mjs does not know what to make of ${JSON.stringify(schema)}`);
  }
}

const portcullis = await startPortcullis();
let document;
try {
  document = await (await fetch(`${portcullis.url}/openapi.json`)).json();
} finally {
  await portcullis.stop();
}

const directory = new URL("../src/generated/", import.meta.url);
await mkdir(directory, { recursive: true });
let stale = false;
for (const [name, text] of [["codes.ts", codesOf(document)], ["schemas.ts", schemasOf(document)]]) {
  const file = new URL(name, directory);
  const before = await readFile(file, "utf8").catch(() => "");
  if (before === text) continue;
  stale = true;
  if (process.argv.includes("--check")) console.error(`src/generated/${name} is behind the OpenAPI document.`);
  else await writeFile(file, text);
}
if (stale && process.argv.includes("--check")) {
  console.error("Make it anew: npm run generate");
  process.exitCode = 1;
}
