/** The existing sockets of every network namespace, with their owners. */
import { type Clock, systemClock } from "../../../base/clock.ts";
import { isSystemError, isVanished, type ProcWorld } from "../../../base/proc-world.ts";
import { Slices } from "../../../base/slices.ts";
import { type Owner, TCP_STATES, type TcpState } from "../connection.ts";
import { IPPROTO_TCP, isFlow, type Seed, type SeedEntry } from "../record.ts";
import { findNamespaces, netnsOf } from "./namespaces.ts";
import { readOwners } from "./owners.ts";
import { NET_TABLES, type NetTable, ProcNetParser, type SocketRow } from "./proc-net.ts";

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
    if (!isSystemError(error)) throw error;
    if (!isVanished(error)) parser.linesSkipped++;
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

async function* readTables(
  world: ProcWorld,
  tables: readonly NetTable[],
  isWanted: (netns: number) => boolean,
  slices: Slices,
): AsyncGenerator<ProcNetParser> {
  for (const [netns, processes] of await findNamespaces(world, slices)) {
    if (!isWanted(netns)) continue;
    for (const table of tables) yield await readTable(world, table, netns, processes, slices);
  }
}

/** The TCP connections of some network namespaces; null where a table broke off or could not be understood. */
export async function readConnections(
  world: ProcWorld,
  namespaces: ReadonlySet<number>,
  clock: Clock = systemClock,
): Promise<readonly SeedEntry[] | null> {
  const slices = new Slices(clock);
  const tables = NET_TABLES.filter(({ proto }) => proto === IPPROTO_TCP);
  const connections: SeedEntry[] = [];
  for await (const parsed of readTables(world, tables, (netns) => namespaces.has(netns), slices)) {
    if (parsed.linesSkipped > 0) return null;
    await slices.forEach(parsed.rows, (socket) => {
      if (isFlow(socket)) connections.push(socket);
    });
  }
  return connections;
}

const hasState = ({ proto, state }: SeedEntry, ...states: readonly TcpState[]): boolean =>
  proto === IPPROTO_TCP && states.some((name) => TCP_STATES[state] === name);

/** Where a listener takes connections: the address itself, or any, which an IPv6 listener does for IPv4 too. */
function listenersOf({ netns, localAddress, localPort }: SeedEntry): string[] {
  const any = localAddress.includes(":") ? ["::"] : ["0.0.0.0", "::"];
  return [localAddress, ...any].map((address) => `${netns} ${address} ${localPort}`);
}

/**
 * A connection that waits in a listener's backlog has no file, and is taken for the listener's process's. An orphan has
 * none either, but is in another state.
 */
async function nameBacklogs(sockets: readonly SocketRow[], slices: Slices): Promise<void> {
  const listeners = new Map<string, Owner>();
  await slices.forEach(sockets, (socket) => {
    const { netns, localAddress, localPort, owner } = socket;
    if (owner !== null && hasState(socket, "LISTEN"))
      listeners.set(`${netns} ${localAddress} ${localPort}`, owner);
  });
  await slices.forEach(sockets, (socket) => {
    if (socket.inode !== 0 || !hasState(socket, "ESTABLISHED", "CLOSE_WAIT")) return;
    const name = listenersOf(socket).find((at) => listeners.has(at));
    socket.owner = (name !== undefined && listeners.get(name)) || null;
  });
}

/**
 * Reads all sockets. `owners`: by inode number, from the kernel side; null to read the files of all processes
 * instead. Processes and namespaces that end meanwhile are no error. A table that breaks off counts as a skipped line.
 * Keys, signals and refreshes are served in between.
 */
export async function readSeed(
  world: ProcWorld,
  owners: ReadonlyMap<number, Owner> | null,
  clock: Clock = systemClock,
): Promise<Seed> {
  const slices = new Slices(clock);
  const sockets: SocketRow[] = [];
  const held = new Set<number>();
  let linesSkipped = 0;
  for await (const parsed of readTables(world, NET_TABLES, () => true, slices)) {
    linesSkipped += parsed.linesSkipped;
    await slices.forEach(parsed.rows, (socket) => {
      sockets.push(socket);
      if (socket.inode !== 0) held.add(socket.inode);
    });
  }
  const ownerOf = owners ?? (await readOwners(world, held, slices));
  await slices.forEach(sockets, (socket) => {
    socket.owner = ownerOf.get(socket.inode) ?? null;
  });
  await nameBacklogs(sockets, slices);
  return { entries: sockets, linesSkipped };
}
