/** The PID namespace of this program's /proc. */
import { readlinkSync } from "node:fs";
import type { StepDown } from "../platform.ts";

/** PROC_PID_INIT_INO of the kernel: the namespace that records count in. */
const INITIAL = "pid:[4026531836]";

/** The limit on process ids to report, by the link /proc/self/ns/pid; null: none, or the link cannot be read. */
export function pidRemarks(link: string | null): StepDown[] {
  if (link === null || link === INITIAL) return [];
  const reason =
    "are those of the host, not of this PID namespace; command lines of other processes are not shown";
  return [{ backend: "process ids", reason }];
}

export function pidRemarksHere(): StepDown[] {
  try {
    return pidRemarks(readlinkSync("/proc/self/ns/pid"));
  } catch {
    return [];
  }
}
