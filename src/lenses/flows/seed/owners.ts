/** The holders of sockets by the files of all processes, for a kernel side that does not report them. */
import { Buffer } from "node:buffer";
import { FieldReader } from "../../../base/field-reader.ts";
import { listIfPresent, listPids, type ProcWorld, readIfPresent } from "../../../base/proc-world.ts";
import { processStartNs } from "../../../base/process-start.ts";
import type { Slices } from "../../../base/slices.ts";
import type { Owner } from "../connection.ts";

/** Kernel threads have longer names than TASK_COMM_LEN allows. */
const MAX_NAME_BYTES = 64;

/** Links that are read between two reads of the clock. */
const LINKS_PER_LOOK = 32;

/** The first piece of a file, null if it is empty or gone. */
function readStart(world: ProcWorld, path: string): Buffer | null {
  return readIfPresent(() => {
    for (const chunk of world.readChunks(path)) return Buffer.from(chunk);
    return null;
  });
}

function identify(world: ProcWorld, pid: number): Owner | null {
  const comm = readStart(world, `${pid}/comm`);
  if (comm === null) return null;
  const status = readStart(world, `${pid}/status`)?.toString("latin1") ?? "";
  // Only a newline ends a line: the name, which stands above, may have a carriage return.
  const line = status.split("\n").find((text) => text.startsWith("Uid:\t"));
  const uid = Number(/^Uid:\t([0-9]{1,10})\t/.exec(line ?? "")?.[1] ?? Number.NaN);
  return {
    pid,
    process: new FieldReader(comm).text(0, MAX_NAME_BYTES).replace(/\n$/, ""),
    uid: uid <= 0xffff_ffff ? uid : null,
    cgroupId: null,
    startNs: processStartNs(world, pid),
  };
}

function socketInode(link: string | null): number | null {
  const digits = /^socket:\[([0-9]{1,16})\]$/.exec(link ?? "")?.[1];
  return digits === undefined ? null : Number(digits);
}

/**
 * The owner of each of the `wanted` sockets (inode numbers) that some process holds, the one with the
 * lowest pid where there are several.
 */
export async function readOwners(
  world: ProcWorld,
  wanted: ReadonlySet<number>,
  slices: Slices,
): Promise<Map<number, Owner>> {
  const owners = new Map<number, Owner>();
  let linksRead = 0;
  for (const pid of listPids(world)) {
    if (owners.size === wanted.size) break;
    if (slices.areDue()) await slices.next();
    let owner: Owner | null = null;
    for (const file of listIfPresent(world, `${pid}/fd`)) {
      if (++linksRead % LINKS_PER_LOOK === 0 && slices.areDue()) await slices.next();
      const inode = socketInode(readIfPresent(() => world.readLink(`${pid}/fd/${file}`)));
      if (inode === null || !wanted.has(inode) || owners.has(inode)) continue;
      owner ??= identify(world, pid);
      if (owner === null) break;
      owners.set(inode, owner);
    }
  }
  return owners;
}
