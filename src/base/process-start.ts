/** Start times of processes, which distinguish processes with the same id. */
import { type ProcWorld, readHead } from "./proc-world.ts";

/** /proc counts in USER_HZ, which is 100 on all architectures that Node runs on. */
const NS_PER_TICK = 1e7;

/** Of field 22 behind the name, which may have spaces and brackets (proc_pid_stat(5)). */
const START_FIELD = 19;

function readText(world: ProcWorld, path: string): string {
  return readHead(world, path)?.toString("latin1") ?? "";
}

/** By how much CLOCK_BOOTTIME is ahead in this process's time namespace (time_namespaces(7)). */
function boottimeOffsetNs(world: ProcWorld): number {
  const text = readText(world, "self/timens_offsets");
  const [, seconds = "0", ns = "0"] = /^boottime\s+(-?\d{1,12})\s+(\d{1,9})$/m.exec(text) ?? [];
  return Number(seconds) * 1e9 + Number(ns);
}

/** CLOCK_BOOTTIME of the initial time namespace, cut to a tick; null if there is no such process (any more). */
export function processStartNs(world: ProcWorld, pid: number): number | null {
  const text = readText(world, `${pid}/stat`);
  const ticks = text.slice(text.lastIndexOf(")") + 2).split(" ")[START_FIELD] ?? "";
  if (!/^\d{1,17}$/.test(ticks)) return null;
  return Number(ticks) * NS_PER_TICK - boottimeOffsetNs(world);
}

/** Whether a process began at that time, to the precision of /proc. */
export function beganAt(world: ProcWorld, pid: number, startNs: number): boolean {
  const told = processStartNs(world, pid);
  return told !== null && Math.abs(told - startNs) <= NS_PER_TICK;
}
