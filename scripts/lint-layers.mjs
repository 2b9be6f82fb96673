// Checks the rooms of src/: imports point only to earlier rooms, and some modules have one door.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { root } from "./lib.mjs";

/** Kernel bytes to screen, in the order of reading. */
const ROOMS = [
  "base",
  "model",
  "wire",
  "seed",
  "recording",
  "platform",
  "aggregate",
  "view",
  "output",
  "tui",
  "app",
  "cli",
];

/**
 * Modules that only one file may import.
 * @type {Record<string, string>}
 */
const DOORS = { blessed: "tui/renderer.ts", commander: "cli/options.ts", "pretty-bytes": "view/format.ts" };

/** Imported where types alone cross: a trait may be named by the room that feeds it. */
const TYPE_ONLY = new Set(["seed>platform"]);

const src = join(root, "src");
/** @type {string[]} */
const problems = [];

for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
  const file = join(entry.parentPath, entry.name);
  const name = relative(src, file);
  const room = name.split("/")[0] ?? "";
  if (!ROOMS.includes(room)) problems.push(`${name}: no such room`);
  for (const [, kind, target = ""] of readFileSync(file, "utf8").matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^;"']*?from\s+)?["']([^"']+)["']/gm,
  )) {
    const door = DOORS[target];
    if (door !== undefined && door !== name) problems.push(`${name}: only ${door} imports ${target}`);
    if (!target.startsWith(".")) continue;
    const other = relative(src, resolve(dirname(file), target)).split("/")[0] ?? "";
    const allowed = ROOMS.indexOf(other) <= ROOMS.indexOf(room);
    if (!allowed && !(kind !== undefined && TYPE_ONLY.has(`${room}>${other}`)))
      problems.push(`${name}: ${room} must not import from ${other}`);
  }
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
