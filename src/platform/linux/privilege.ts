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

/**
 * What /proc hides from this process, by the text of its /proc/PID/status, empty where there is none; null if
 * nothing. Who may look at other users' processes: ptrace_may_access(), kernel/ptrace.c.
 */
export function whatIsHidden(status: string): string | null {
  if (status === "") return "cannot be read: listening sockets and idle UDP flows are not seen";
  if ((effectiveSet(status) & CAP_SYS_PTRACE) !== 0n) return null;
  return "without CAP_SYS_PTRACE, listening sockets and idle UDP flows in network namespaces of others are not seen";
}

/** /proc/PID/status of this process; empty where /proc cannot tell. */
function ownStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    return "";
  }
}

/** Where `/proc` cannot tell, true: the kernel will. */
export function thisProcessMayCapture(): boolean {
  const status = ownStatus();
  return status === "" || mayCapture(status);
}

export function whatIsHiddenHere(): string | null {
  return whatIsHidden(ownStatus());
}
