/** The native addon's whole surface, and the only place that loads it. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode, ExitError } from "../../base/errors.ts";
import { type ProcWorld, procWorld } from "../../base/proc-world.ts";
import type { KernelFacts, NativeSource, SourceHost, SourceSpec } from "../../core/source.ts";

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface OpenedOutput {
  readonly fd: number;
  readonly isNew: boolean;
}

/** What a process keeps. */
export interface Left {
  /** Whom it becomes; null: it stays who it is. */
  readonly user: User | null;
  /** Files and folders that it may read from, with all below them. */
  readonly readable: readonly string[];
}

/** What was done of it. */
export interface Confined {
  readonly hasUser: boolean;
  readonly hasLandlock: boolean;
  readonly hasSeccomp: boolean;
}

/** Calls throw SourceError. */
export interface NativeAddon {
  /** Loads and attaches a BPF object. Throws SourceError; TypeError and RangeError for what cannot be asked. */
  readonly Source: new (
    spec: SourceSpec & { readonly object: string },
  ) => NativeSource;
  facts(): KernelFacts;
  /** Starts the broker, once, and returns its process id. Everything that loads and opens is asked of it. */
  startBroker(program: string): number;
  /** Waits until the broker has ended, and everything is detached. */
  stopBroker(): void;
  /** Frees what loading needs and nothing else. From then on nothing is loaded, and no output is named. */
  endLoading(): void;
  /** The inode of a process's network namespace; 0 if it cannot be had. */
  netnsOf(pid: number): number;
  /** A file that is opened later, by its folder and name; its number. `owner`: who may have it, besides root. */
  keepOutput(folder: number, name: string, owner: number): number;
  /** Opens it, or makes it where it is not there; `mustBeNew`: it must not be there. */
  openOutput(output: number, mustBeNew: boolean): OpenedOutput;
  /** Removes its name if that is still the file's and nobody wrote to it. */
  dropOutput(output: number, fd: number): void;
  /** Appends to its name if that is still the file's. */
  moveOutput(output: number, fd: number, suffix: string): void;
  /** Null: no user has this name. */
  findUser(name: string): User | null;
  /** The structs of bpf/record.h by BTF: lines of `struct size`, `struct field offset size kind`, `struct tag=value`. */
  wireLayout(): string;
  /** Gives up all privileges, in every thread and for good. */
  confine(left: Left): Confined;
  /** Whether the other end of the pipe or socket `fd` is open; true for a file. */
  hasReader(fd: number): boolean;
  /** Takes a write lock of the open file without waiting; false when another writer has it. */
  lockFile(fd: number): boolean;
}

/** Where the addon may be: built in a checkout, else inside the package. */
const CANDIDATES = [
  "build/cmake/Release/tcptop.node",
  `prebuilds/${process.platform}-${process.arch}/tcptop.node`,
];

/** The folder of the program. */
export const ROOT = new URL("../../../", import.meta.url);

/** Null where there is no addon for this machine. */
function addonPath(): string | null {
  return CANDIDATES.map((candidate) => fileURLToPath(new URL(candidate, ROOT))).find(existsSync) ?? null;
}

/** Throws ExitError 69 when there is no addon for this machine or it cannot be loaded. */
export function loadNative(): NativeAddon {
  const path = addonPath();
  if (path === null) {
    throw new ExitError(
      ExitCode.unavailable,
      `no native addon for ${process.platform}-${process.arch}; in a checkout build it with \`npm run build\``,
    );
  }
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExitError(ExitCode.unavailable, `the native addon cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}

/** Starts the broker, which stands beside the addon, and returns its process id. Safe to call twice. */
export function startBroker(native: NativeAddon): number {
  return native.startBroker(join(dirname(addonPath() ?? ""), "tcptop-broker"));
}

const NAMESPACE = /^([1-9][0-9]{0,9})\/ns\/net$/;

/** /proc, where the broker reads which network namespace a process of another user is in. */
function brokeredProc(native: NativeAddon, proc: ProcWorld = procWorld()): ProcWorld {
  return {
    ...proc,
    readLink(path) {
      const pid = NAMESPACE.exec(path)?.[1];
      if (pid === undefined) return proc.readLink(path);
      const inode = native.netnsOf(Number(pid));
      if (inode === 0) throw Object.assign(new Error("ENOENT: no such process"), { code: "ENOENT" });
      return `net:[${inode}]`;
    },
  };
}

/** What loads and attaches by means of the addon. */
export function nativeHost(native: NativeAddon): SourceHost {
  startBroker(native);
  return {
    facts: native.facts(),
    open: (object, spec) => new native.Source({ ...spec, object }),
    proc: brokeredProc(native),
    hasInSys: (path) => existsSync(`/sys/${path}`),
  };
}
