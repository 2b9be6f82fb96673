/** The inputs that are kept of each target: one file each, named by what is in it. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Seed {
  readonly file: string;
  readonly bytes: Uint8Array;
}

function nameOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** The seeds in a folder, in the order of their names; none where it does not exist. */
export function readSeeds(folder: string): Seed[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).sort();
  return files.map((file) => ({ file, bytes: Uint8Array.from(readFileSync(join(folder, file))) }));
}

/** Keeps an input; `prefix` tells why, and is empty for one that only reaches something new. */
export function writeSeed(folder: string, bytes: Uint8Array, prefix = ""): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${prefix}${nameOf(bytes)}`);
  writeFileSync(path, bytes);
  return path;
}

/** Makes the nameless seeds of a folder exactly these; findings and seeds with names of their own stay. */
export function replaceSeeds(folder: string, inputs: readonly Uint8Array[]): void {
  for (const { file } of readSeeds(folder)) if (/^[0-9a-f]{16}$/.test(file)) rmSync(join(folder, file));
  for (const bytes of inputs) writeSeed(folder, bytes);
}
