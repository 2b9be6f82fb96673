/** Sockets that exist already, of every network namespace, with their owners (D-15). */
import { type Clock, systemClock } from "../base/clock.ts";
import type { Owner } from "../model/connection.ts";
import type { SeedEntry } from "../model/record.ts";
import type { Seed } from "../platform/platform.ts";
import { findNamespaces, netnsOf } from "./namespaces.ts";
import { readOwners } from "./owners.ts";
import { NET_TABLES, type NetTable, ProcNetParser, type SocketRow } from "./proc-net.ts";
import { isVanished, type ProcWorld } from "./proc-world.ts";
import { Slices } from "./slices.ts";

/** Entries that are made between two looks at the clock. */
const ENTRIES_PER_LOOK = 256;

async function parseTable(
  world: ProcWorld,
  path: string,
  parser: ProcNetParser,
  slices: Slices,
): Promise<ProcNetParser> {
  try {
    for (const chunk of world.readChunks(path)) {
      parser.push(chunk);
      if (slices.areDue()) await slices.next();
    }
  } catch (error) {
    if (!isVanished(error)) throw error;
  }
  parser.end();
  return parser;
}

/**
 * One table of a namespace, through the first of its processes that stays in it for long enough. A
 * table that does not exist (no IPv6) is empty.
 */
async function readTable(
  world: ProcWorld,
  table: NetTable,
  netns: number,
  processes: readonly string[],
  slices: Slices,
): Promise<ProcNetParser> {
  for (const process of processes) {
    if (netnsOf(world, process) !== netns) continue;
    const path = `${process}/net/${table.file}`;
    const parsed = await parseTable(world, path, new ProcNetParser(table, netns), slices);
    if (netnsOf(world, process) === netns) return parsed;
  }
  return new ProcNetParser(table, netns);
}

async function withOwners(
  rows: readonly SocketRow[],
  owners: ReadonlyMap<number, Owner>,
  slices: Slices,
): Promise<SeedEntry[]> {
  const entries: SeedEntry[] = [];
  for (const row of rows) {
    if (entries.length % ENTRIES_PER_LOOK === 0 && slices.areDue()) await slices.next();
    entries.push({ ...row, owner: owners.get(row.inode) ?? null });
  }
  return entries;
}

/**
 * Reads all sockets. `owners`: by inode number, as the kernel side tells; null to look through the
 * files of all processes instead. Processes and namespaces that end meanwhile are no error. Other work
 * is let through all the time.
 */
export async function readSeed(
  world: ProcWorld,
  owners: ReadonlyMap<number, Owner> | null,
  clock: Clock = systemClock,
): Promise<Seed> {
  const slices = new Slices(clock);
  const tables: ProcNetParser[] = [];
  for (const [netns, processes] of await findNamespaces(world, slices)) {
    for (const table of NET_TABLES) tables.push(await readTable(world, table, netns, processes, slices));
  }
  const rows = tables.flatMap((table) => table.rows);
  const held = rows.map(({ inode }) => inode).filter((inode) => inode !== 0);
  return {
    entries: await withOwners(rows, owners ?? (await readOwners(world, new Set(held), slices)), slices),
    linesSkipped: tables.reduce((sum, { linesSkipped }) => sum + linesSkipped, 0),
  };
}
