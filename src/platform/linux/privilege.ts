/** What this process may do. */
import { readFileSync } from "node:fs";

/** Bits of the capability sets in /proc/self/status (include/uapi/linux/capability.h). */
const CAP_SYS_PTRACE = 1n << 19n;
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;
const CAP_BPF = 1n << 39n;

/** The effective set in the text of /proc/PID/status; without that line, an empty one. */
function effectiveSet(status: string): bigint {
  const match = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status);
  return match === null ? 0n : BigInt(`0x${match[1]}`);
}

/** Root, or CAP_BPF with CAP_PERFMON (D-10), by the text of /proc/PID/status. */
export function mayCapture(status: string): boolean {
  const effective = effectiveSet(status);
  const both = CAP_BPF | CAP_PERFMON;
  return (effective & CAP_SYS_ADMIN) !== 0n || (effective & both) === both;
}

/** Whether it may look at other users' processes (ptrace_may_access, kernel/ptrace.c). */
export function mayInspectOthers(status: string): boolean {
  return (effectiveSet(status) & CAP_SYS_PTRACE) !== 0n;
}

/** /proc/PID/status of this process; empty where /proc cannot tell. */
function ownStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    return "";
  }
}

export function thisProcessMayCapture(): boolean {
  const status = ownStatus();
  return status === "" ? process.geteuid?.() === 0 : mayCapture(status);
}

export function thisProcessMayInspectOthers(): boolean {
  return mayInspectOthers(ownStatus());
}
