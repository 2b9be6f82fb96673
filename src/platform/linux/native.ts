/** The native addon's whole surface, and the only place that loads it. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { ExitCode, ExitError } from "../../base/errors.ts";
import type { StepDown } from "../platform.ts";

/** Sizes and limits of a capture; out of range is a RangeError. */
export interface SessionOptions {
  readonly backend: string;
  readonly udpIdleNs: number;
  readonly maxTcpFlows: number;
  readonly maxUdpFlows: number;
  readonly ringBytes: number;
}

/**
 * One capture, attached from construction to close(). After close() every call but close() throws
 * NativeError with code CLOSED.
 */
export interface Session {
  readonly backend: string;
  readonly stepDowns: StepDown[];
  /** Writes waiting event records and returns the bytes written. When `to` is full more may wait. */
  drain(to: Uint8Array): number;
  /** Writes records of flows that moved; call until it returns 0. */
  sweep(to: Uint8Array): number;
  /** Like sweep(), with the record of every TCP flow, moved or not. */
  sweepAll(to: Uint8Array): number;
  /** `struct tcptop_owner` of every socket; also enters and names connections older than the capture. */
  owners(): Promise<Uint8Array>;
  /** `struct tcptop_losses`. */
  losses(): Uint8Array;
  /** Flows without an owner in the last sweep that owners() has not searched for yet. */
  unowned(): number;
  close(): void;
}

export type NativeErrorCode =
  | "NO_BPF"
  | "NO_BTF"
  | "NO_RING_BUFFER"
  | "NO_PERMISSION"
  | "NO_BACKEND"
  | "UNSUPPORTED"
  | "CLOSED"
  | "FAILED";

/** What the addon throws. */
export interface NativeError extends Error {
  readonly code: NativeErrorCode;
  readonly stage: string;
  readonly errno: number;
  /** The last lines of libbpf and the verifier. */
  readonly log: string;
  readonly stepDowns: StepDown[];
}

export interface NativeAddon {
  readonly Session: new (options: SessionOptions) => Session;
  /** The wire structs by BTF: lines of `struct field offset size`. */
  wireLayout(): string;
  readonly wireVersion: number;
  /**
   * Gives up what an open capture does not need, in every thread and for good; `opensFiles` keeps the right
   * to open anyone's files. Throws NativeError.
   */
  confine(opensFiles: boolean): void;
  /** Whether the other end of the pipe or socket `fd` is open; true for a file. */
  hasReader(fd: number): boolean;
  /** Takes a write lock of the open file without waiting; false when another writer has it. */
  lockFile(fd: number): boolean;
}

export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && "stage" in error && "stepDowns" in error;
}

/** Where the addon may be: built in a checkout, else inside the package. */
const CANDIDATES = [
  "build/cmake/Release/tcptop.node",
  `prebuilds/${process.platform}-${process.arch}/tcptop.node`,
];

const ROOT = new URL("../../../", import.meta.url);

/** Throws ExitError 69 when there is no addon for this machine or it cannot be loaded. */
export function loadNative(): NativeAddon {
  const path = CANDIDATES.map((candidate) => fileURLToPath(new URL(candidate, ROOT))).find(existsSync);
  if (path === undefined) {
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
