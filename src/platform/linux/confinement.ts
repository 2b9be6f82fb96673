/** Giving up privileges, and what is in force then. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode, ExitError } from "../../base/errors.ts";
import type { Privileges, StepDown } from "../platform.ts";
import type { NativeAddon, User } from "./native.ts";
import { ROOT } from "./native.ts";
import { capabilityNames } from "./privilege.ts";

/** What is read after the start: facts of processes and modules, the terminal, time zones, Node's and tcptop's files. */
const READABLE = [
  ...["/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64"],
  ...[fileURLToPath(ROOT), dirname(process.execPath)],
];

/** `nobody` where the system has no such user: the kernel's overflow id. */
const NOBODY: User = { uid: 65_534, gid: 65_534 };

/** 2^32 - 1: to the system calls that set ids it means no change. */
const NO_ID = 0xffff_ffff;

function idOf(text: string | undefined): number | null {
  const id = text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : NO_ID;
  return id < NO_ID ? id : null;
}

/**
 * Whom root becomes: the user of that name, else who called sudo, else `nobody`; null for anybody else than root.
 * Throws ExitError 64 where it cannot be the user that was asked for.
 */
export function chooseUser(
  native: Pick<NativeAddon, "findUser">,
  name: string | null,
  { isRoot, environment }: { readonly isRoot: boolean; readonly environment: NodeJS.ProcessEnv },
): User | null {
  if (!isRoot) {
    if (name !== null) throw new ExitError(ExitCode.usage, "--user: only root can become another user");
    return null;
  }
  if (name !== null) {
    const user = native.findUser(name);
    if (user === null) throw new ExitError(ExitCode.usage, `--user: there is no user '${name}'`);
    if (user.uid === 0) throw new ExitError(ExitCode.usage, `--user: '${name}' is root`);
    return user;
  }
  const uid = idOf(environment["SUDO_UID"]);
  const gid = idOf(environment["SUDO_GID"]);
  if (uid !== null && gid !== null && uid !== 0) return { uid, gid };
  return native.findUser("nobody") ?? NOBODY;
}

function statusOf(process: number | "self"): string {
  try {
    return readFileSync(`/proc/${process}/status`, "latin1");
  } catch {
    return "";
  }
}

/** Whether /proc hides other users' processes from this one (hidepid of proc(5)), as the first process shows. */
function hidesOthers(): boolean {
  return statusOf(1) === "" && statusOf("self") !== "";
}

const HIDDEN: StepDown = {
  backend: "/proc",
  reason:
    "hides other users' processes (hidepid): listening sockets and idle UDP flows in network namespaces of others are " +
    "not seen",
};

/** Whether the kernel has Landlock cannot be read from /proc. */
export function privilegesOf(
  own: string,
  broker: string,
  { hasLandlock }: { readonly hasLandlock: boolean },
): Privileges | null {
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(own)?.[1];
  const uid = field("Uid");
  if (uid === undefined) return null;
  return {
    uid: Number(uid),
    capabilities: capabilityNames(own),
    hasNoNewPrivs: field("NoNewPrivs") === "1",
    hasLandlock,
    hasSeccomp: field("Seccomp") === "2",
    brokerCapabilities: capabilityNames(broker),
  };
}

export interface Confinement {
  readonly privileges: Privileges | null;
  readonly stepDowns: readonly StepDown[];
}

/** Gives up privileges, in every thread. A failure becomes a step-down that the user sees; the capture goes on. */
export function confine(
  native: Pick<NativeAddon, "confine">,
  { user, broker }: { readonly user: User | null; readonly broker: number },
): Confinement {
  const stepDowns: StepDown[] = [];
  let hasLandlock = false;
  try {
    const done = native.confine({ user, readable: READABLE });
    hasLandlock = done.hasLandlock;
    if (user !== null && !done.hasUser) {
      const reason = `it stays user 0, without capabilities: it may not become user ${user.uid} (CAP_SETUID, CAP_SETGID)`;
      stepDowns.push({ backend: "privileges", reason });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    stepDowns.push({ backend: "privileges", reason: `could not be given up: ${reason}` });
  }
  if (hidesOthers()) stepDowns.push(HIDDEN);
  return { privileges: privilegesOf(statusOf("self"), statusOf(broker), { hasLandlock }), stepDowns };
}
