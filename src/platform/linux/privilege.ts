/** Whether this process may capture. */
import { readFileSync } from "node:fs";

/** Bits of the capability sets in /proc/self/status (include/uapi/linux/capability.h). */
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;
const CAP_BPF = 1n << 39n;

/**
 * Root, or CAP_BPF with CAP_PERFMON (D-10), by the effective set in the text of /proc/PID/status. Text
 * without that line gives false.
 */
export function mayCapture(status: string): boolean {
  const match = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status);
  if (match === null) return false;
  const effective = BigInt(`0x${match[1]}`);
  const both = CAP_BPF | CAP_PERFMON;
  return (effective & CAP_SYS_ADMIN) !== 0n || (effective & both) === both;
}

/** The same of this process; false where /proc cannot tell. */
export function thisProcessMayCapture(): boolean {
  try {
    return mayCapture(readFileSync("/proc/self/status", "latin1"));
  } catch {
    return process.geteuid?.() === 0;
  }
}
