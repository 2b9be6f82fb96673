// Writes what the program knows of itself into man/tcptop.8 and README.md, and completions/ for the shells; with --check only
// compares. Reads the built program: `npm run gen:docs` builds it first.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bashCompletion, fishCompletion, zshCompletion } from "./docs/completions.mjs";
import { fillPage, keyList, lossList, optionList } from "./docs/man.mjs";
import { fillReadme, lossTable } from "./docs/readme.mjs";
import { fromDist, root } from "./lib.mjs";

const { describeOptions } = /** @type {typeof import("../src/cli/options.ts")} */ (
  await fromDist("cli/options")
);
const { LENSES, LOSS_COUNTERS } = /** @type {typeof import("../src/lenses.ts")} */ (await fromDist("lenses"));
const { keysOf } = /** @type {typeof import("../src/view/help.ts")} */ (await fromDist("view/help"));

/** Options are collected, and none is given. */
const none = { flag() {}, value() {}, list() {} };
const lenses = await Promise.all(LENSES.map(async (lens) => (await lens.load()).parts(lens.options(none))));

const PAGE = "man/tcptop.8";

const options = describeOptions();
const texts = {
  [PAGE]: fillPage(readFileSync(join(root, PAGE), "utf8"), {
    options: optionList(options),
    keys: keyList(keysOf(lenses)),
    losses: lossList(LOSS_COUNTERS),
  }),
  "README.md": fillReadme(readFileSync(join(root, "README.md"), "utf8"), {
    losses: lossTable(LOSS_COUNTERS),
  }),
  "completions/tcptop.bash": bashCompletion(options),
  "completions/_tcptop": zshCompletion(options),
  "completions/tcptop.fish": fishCompletion(options),
};

/** @param {string} name */
function read(name) {
  try {
    return readFileSync(join(root, name), "utf8");
  } catch {
    return null;
  }
}

mkdirSync(join(root, "completions"), { recursive: true });
for (const [name, text] of Object.entries(texts)) {
  if (!process.argv.includes("--check")) writeFileSync(join(root, name), text);
  else if (read(name) !== text) {
    console.error(`${name} differs from the program: run \`npm run gen:docs\``);
    process.exitCode = 1;
  }
}
