/** All network namespaces, and the processes through which each can be read. */
import { listPids, type ProcWorld, readIfPresent } from "../../../base/proc-world.ts";
import type { Slices } from "../../../base/slices.ts";

/** The network namespace of a process as an inode number; null when it cannot be read. */
export function netnsOf(world: ProcWorld, process: string): number | null {
  const link = readIfPresent(() => world.readLink(`${process}/ns/net`));
  const inode = Number(/^net:\[([0-9]{1,10})\]$/.exec(link ?? "")?.[1] ?? Number.NaN);
  return inode <= 0xffff_ffff ? inode : null;
}

/**
 * The directories of all processes of each network namespace: any one of them shows it, as long as it
 * lives. tcptop's own is first.
 */
export async function findNamespaces(world: ProcWorld, slices: Slices): Promise<Map<number, string[]>> {
  const namespaces = new Map<number, string[]>();
  for (const process of ["self", ...listPids(world).map(String)]) {
    const netns = netnsOf(world, process);
    if (netns === null) continue;
    const processes = namespaces.get(netns);
    if (processes === undefined) namespaces.set(netns, [process]);
    else processes.push(process);
    if (slices.areDue()) await slices.next();
  }
  return namespaces;
}
