// Writes src/lenses/flows/layout.gen.ts from the BTF of the compiled programs; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "./lib.mjs";

/** @type {Record<string, string>} */
const NAMES = { tcptop_record: "RECORD", tcptop_owner: "OWNER", tcptop_losses: "LOSSES" };

/** @type {import("../src/platform/linux/native.ts").NativeAddon} */
const addon = createRequire(import.meta.url)(join(root, "build/cmake/Release/tcptop.node"));
const file = join(root, "src/lenses/flows/layout.gen.ts");

/** @type {Map<string, string[]>} */
const structs = new Map();
for (const line of addon.wireLayout().trimEnd().split("\n")) {
  const [struct = "", field, offset] = line.split(" ");
  structs.set(struct, [...(structs.get(struct) ?? []), `  ${field}: ${offset},\n`]);
}

let text = `// Generated from the BTF of bpf/wire.h by \`npm run gen:layout\`; do not edit.

export const WIRE_VERSION = ${addon.wireVersion};
`;
for (const [struct, fields] of structs) {
  text += `\n/** Byte offsets in \`struct ${struct}\`. */\nexport const ${NAMES[struct]} = {\n${fields.join("")}} as const;\n`;
}

if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("src/lenses/flows/layout.gen.ts differs from bpf/wire.h: run `npm run gen:layout`");
  process.exitCode = 1;
}
