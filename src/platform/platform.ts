/** What tcptop needs of an operating system; every platform implements this and nothing more. */

import type { ProcessFacts, ProcessId } from "../core/process.ts";
import type { TableSizes } from "../lenses/flows/bounds.ts";
import type { Losses } from "../lenses/flows/losses.ts";
import type { FlowRecord, Seed, SeedEntry } from "../lenses/flows/record.ts";

export const BACKENDS = ["fentry", "kprobe", "tracepoint"] as const;
export type Backend = (typeof BACKENDS)[number];
export type BackendChoice = Backend | "auto";

export interface CaptureOptions {
  readonly backend: BackendChoice;
  /** A UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  /** Whether files of any user are opened after the start, such as a log that is rotated. */
  readonly opensFilesLater?: boolean;
  /** Sizes of the kernel's tables; undefined: chosen by the platform. Tests make them small. */
  readonly maxTcpFlows?: number | undefined;
  readonly maxUdpFlows?: number | undefined;
  readonly ringBytes?: number | undefined;
  /** Gets each batch of records before decoding: bytes in the layout of bpf/wire.h, valid during the call. */
  readonly tap?: ((records: Uint8Array) => void) | undefined;
}

/** A backend that was tried and could not be used, or a part of the chosen one that is missing. */
export interface StepDown {
  readonly backend: string;
  /** One line for the user. */
  readonly reason: string;
}

/** A running capture. */
export interface Capture {
  /** Name of the backend in use. */
  readonly backend: string;
  /** Kernel release, such as `6.12.41`. */
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
  /** Reads the existing connections. Call once, right after open. */
  seed(): Promise<Seed>;
  /** Reads the sockets without traffic (`--all`) from /proc: listening, TIME_WAIT. */
  sockets(): Promise<Seed>;
  /** Calls `take` for every event record that waits (open, state, owner, sample, close). */
  drain(take: (record: FlowRecord) => void): void;
  /** The TCP connections in /proc of some network namespaces; null when /proc could not be read in full. */
  connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null>;
  /** Calls `take` with the totals of every flow that moved since the last sweep. Drain first. */
  sweep(take: (record: FlowRecord) => void): void;
  /** Like `sweep`, with the totals of every TCP connection, moved or not. */
  sweepAll(take: (record: FlowRecord) => void): void;
  losses(): Losses;
  /** Detaches every program. Safe to call twice. */
  close(): void;
}

export interface Platform {
  /** Throws ExitError 77 without the privilege to capture, 69 where it can never work. */
  check(): void;
  /** Loads and attaches. Throws ExitError 69, which says what is missing. */
  open(options: CaptureOptions): Capture;
  /** False when the descriptor certainly has no reader any more. */
  hasReader(fd: number): boolean;
  /** Locks a file that is open for writing against other tcptops; false when another has the lock. */
  lockFile(fd: number): boolean;
  /** Facts of this process, never of another with its id. null when the process has ended or cannot be read. */
  describeProcess(process: ProcessId): ProcessFacts | null;
}
