// Writes the layouts of bpf/record.h from the BTF of the compiled programs; with --check only compares.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "./lib.mjs";

/** @typedef {{ name: string, offset: number, size: number, kind: string }} Field */
/** @typedef {{ size: number, fields: Map<string, Field>, tags: Map<string, string> }} Struct */

const HEAD = "tcptop_head";

/**
 * The structs by name. Programs that have the same struct must have the same layout of it.
 * @param {string} text
 */
function readStructs(text) {
  /** @type {Map<string, Struct>} */
  const structs = new Map();
  for (const line of text.trimEnd().split("\n")) {
    const [name = "", ...rest] = line.split(" ");
    const [first = "", offset, size, kind = ""] = rest;
    const struct = structs.get(name) ?? { size: Number(first), fields: new Map(), tags: new Map() };
    structs.set(name, struct);
    const [tag = "", value] = first.split("=");
    if (value !== undefined) struct.tags.set(tag, value);
    else if (rest.length === 1) assertSame(name, struct.size, Number(first));
    else {
      const field = { name: first, offset: Number(offset), size: Number(size), kind };
      assertSame(`${name} ${first}`, { ...(struct.fields.get(first) ?? field) }, field);
      struct.fields.set(first, field);
    }
  }
  return structs;
}

/**
 * @param {string} what
 * @param {unknown} a
 * @param {unknown} b
 */
function assertSame(what, a, b) {
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${what} is not the same in all programs`);
}

/**
 * Byte offsets, for the code.
 * @param {string} name
 * @param {string} constant
 * @param {Struct} struct
 */
function offsetsText(name, constant, { size, fields }) {
  const sizeKey = fields.has("size") ? "bytes" : "size";
  const lines = [...fields.values()]
    .filter(({ kind }) => kind !== "o")
    .map((f) => `  ${f.name}: ${f.offset},\n`);
  return `\n/** Byte offsets in \`struct ${name}\`. */\nexport const ${constant} = {\n  ${sizeKey}: ${size},\n${lines.join("")}} as const;\n`;
}

/**
 * Fields with their sizes and kinds, for the schema of a recording.
 * @param {string} name
 * @param {string} constant
 * @param {Struct} struct
 */
function fieldsText(name, constant, { fields }) {
  const own = [...fields.values()].filter(({ kind }) => kind !== "o");
  const lines = own.map((f) => `  ${f.name}: [${f.offset}, ${f.size}, "${f.kind}"],\n`);
  return `\n/** Offset, bytes and kind (u: number, b: bytes, s: text) of the fields of \`struct ${name}\`. */\nexport const ${constant}_FIELDS = {\n${lines.join("")}} as const;\n`;
}

/** @type {import("../src/platform/linux/native.ts").NativeAddon} */
const addon = createRequire(import.meta.url)(join(root, "build/cmake/Release/tcptop.node"));

/** @type {Map<string, string>} */
const files = new Map();
for (const [name, struct] of readStructs(addon.wireLayout())) {
  const [lens = "", ...words] = name.split("_");
  const path = name === HEAD ? "src/core/head.gen.ts" : `src/lenses/${lens}/layout.gen.ts`;
  const constant = words.join("_").toUpperCase();
  const from = name === HEAD ? "bpf/record.h" : `bpf/${lens}/wire.h`;
  let text =
    files.get(path) ?? `// Generated from the BTF of ${from} by \`npm run gen:layout\`; do not edit.\n`;
  for (const [tag, value] of struct.tags) text += `\nexport const ${tag.toUpperCase()} = ${value};\n`;
  text += offsetsText(name, constant, struct);
  if (struct.tags.size > 0) text += fieldsText(name, constant, struct);
  files.set(path, text);
}

for (const [path, text] of files) {
  const file = join(root, path);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`${path} differs from the programs: run \`npm run gen:layout\``);
    process.exitCode = 1;
  }
}
