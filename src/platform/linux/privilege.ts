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

/** Those that tcptop uses, by their bit. */
const NAMES: Readonly<Record<number, string>> = {
  1: "CAP_DAC_OVERRIDE",
  2: "CAP_DAC_READ_SEARCH",
  6: "CAP_SETGID",
  7: "CAP_SETUID",
  8: "CAP_SETPCAP",
  12: "CAP_NET_ADMIN",
  19: "CAP_SYS_PTRACE",
  21: "CAP_SYS_ADMIN",
  24: "CAP_SYS_RESOURCE",
  38: "CAP_PERFMON",
  39: "CAP_BPF",
};

/** The capabilities that a process has, by the text of /proc/PID/status. */
export function capabilityNames(status: string): string[] {
  const set = effectiveSet(status);
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (set >> BigInt(bit)) & 1n)
    .map((bit) => NAMES[bit] ?? `capability ${bit}`);
}

/** CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON, by the text of /proc/PID/status. */
export function mayCapture(status: string): boolean {
  return missing(effectiveSet(status)).length === 0;
}

const NEEDED: readonly (readonly [name: string, bit: bigint])[] = [
  ["CAP_BPF", CAP_BPF],
  ["CAP_PERFMON", CAP_PERFMON],
];

/** The capabilities that a capture needs and this set has not. */
function missing(effective: bigint): string[] {
  if ((effective & CAP_SYS_ADMIN) !== 0n) return [];
  return NEEDED.filter(([, bit]) => (effective & bit) === 0n).map(([name]) => name);
}

/** The message for a user without the privilege to capture. */
const NO_PRIVILEGE = "tcptop requires root privileges. Run with sudo.";

/** A process that may not capture, or whose capture the kernel refused. */
export interface Refused {
  /** The text of its /proc/PID/status, empty where there is none. */
  readonly status: string;
  /** The text of its /proc/PID/uid_map, empty where there is none. */
  readonly userIds: string;
  readonly isRoot: boolean;
}

/** All user ids as they are: no user namespace but the first. */
const ALL_USERS = /^\s*0\s+0\s+4294967295\s*$/;

/** The missing privilege, in one line. */
export function whyRefused({ status, userIds, isRoot }: Refused): string {
  const lacks = status === "" ? [] : missing(effectiveSet(status));
  if (!isRoot && (lacks.length > 0 || status === "")) return NO_PRIVILEGE;
  if (lacks.length > 0) {
    return `root lacks ${lacks.join(" and ")} here; the service, container or shell that starts tcptop must allow it`;
  }
  if (userIds !== "" && !ALL_USERS.test(userIds)) {
    return "the kernel refuses bpf(2) in a user namespace; run tcptop outside of it";
  }
  if (/^Seccomp:\s*2$/m.test(status)) {
    return "bpf(2) is refused, by the seccomp filter that this process has; the service or container has to allow it";
  }
  return "bpf(2) is refused, by a security module or the kernel's settings";
}

/**
 * What /proc hides from this process, by the text of its /proc/PID/status, empty where there is none; null if
 * nothing. Access to other users' processes: ptrace_may_access(), kernel/ptrace.c.
 */
export function whatIsHidden(status: string): string | null {
  if (status === "") return "cannot be read: listening sockets and idle UDP flows are not seen";
  if ((effectiveSet(status) & CAP_SYS_PTRACE) !== 0n) return null;
  return "without CAP_SYS_PTRACE, listening sockets and idle UDP flows in network namespaces of others are not seen";
}

/** The text of a file of this process in /proc; empty when it cannot be read. */
function ownFile(name: "status" | "uid_map"): string {
  try {
    return readFileSync(`/proc/self/${name}`, "latin1");
  } catch {
    return "";
  }
}

/** True without `/proc`: the kernel then refuses by itself. */
export function thisProcessMayCapture(): boolean {
  const status = ownFile("status");
  return status === "" || mayCapture(status);
}

export function whatIsHiddenHere(): string | null {
  return whatIsHidden(ownFile("status"));
}

export function whyRefusedHere(): string {
  return whyRefused({
    status: ownFile("status"),
    userIds: ownFile("uid_map"),
    isRoot: process.geteuid?.() === 0,
  });
}
