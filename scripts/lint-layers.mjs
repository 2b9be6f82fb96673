// Checks the rooms of src/: imports point only to earlier rooms, and some modules have one door.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { root } from "./lib.mjs";

/**
 * A lens imports `base`, `core`, itself, and lenses that stand before it in `lenses.ts`, which names them for the rooms
 * behind.
 */
const ROOMS = [
  ...["base", "core", "lenses", "lenses.ts"],
  ...["platform", "recording", "view", "sinks", "tui", "app", "cli"],
];

/**
 * Modules that only one file may import.
 * @type {Record<string, string>}
 */
const DOORS = { blessed: "tui/renderer.ts", commander: "cli/options.ts", "pretty-bytes": "base/format.ts" };

const src = join(root, "src");

/** The folders of the lenses, in the order in which `lenses.ts` lists them. */
function lensFolders() {
  const text = readFileSync(join(src, "lenses.ts"), "utf8");
  const imports = text.matchAll(/import \{ (\w+) \} from "\.\/lenses\/(\w+)\/lens\.ts"/g);
  const folders = new Map([...imports].map(([, lens = "", folder = ""]) => [lens, folder]));
  const [, listed = ""] = /LENSES[^=]*= \[([^\]]*)\]/.exec(text) ?? [];
  return listed.split(",").map((lens) => folders.get(lens.trim()) ?? "");
}

const LENSES = lensFolders();
/** @type {string[]} */
const problems = [];

/** @param {string} path */
function roomOf(path) {
  return path.split("/")[0] ?? "";
}

/**
 * The place of a lens among all, by a path of it.
 * @param {string} path
 */
function placeOf(path) {
  return LENSES.indexOf(path.split("/")[1] ?? "");
}

/**
 * Why a file must not import another; null: it may.
 * @param {string} name
 * @param {string} other
 */
function whyNot(name, other) {
  const [from, to] = [roomOf(name), roomOf(other)];
  if (ROOMS.indexOf(to) > ROOMS.indexOf(from)) return `${from} must not import from ${to}`;
  if (to !== "lenses") return null;
  if (from === "lenses") {
    return placeOf(other) <= placeOf(name) ? null : "a lens imports a later one";
  }
  return from === "lenses.ts" ? null : `only lenses import ${other}`;
}

for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
  const file = join(entry.parentPath, entry.name);
  const name = relative(src, file);
  if (!ROOMS.includes(roomOf(name))) problems.push(`${name}: no such room`);
  for (const [, target = ""] of readFileSync(file, "utf8").matchAll(
    /^(?:import|export)\s+(?:type\s+)?(?:[^;"']*?from\s+)?["']([^"']+)["']/gm,
  )) {
    const door = DOORS[target];
    if (door !== undefined && door !== name) problems.push(`${name}: only ${door} imports ${target}`);
    if (!target.startsWith(".")) continue;
    const reason = whyNot(name, relative(src, resolve(dirname(file), target)));
    if (reason !== null) problems.push(`${name}: ${reason}`);
  }
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
