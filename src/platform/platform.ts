/** What tcptop needs of an operating system; every platform implements this and nothing more. */
import type { TableSizes } from "../model/bounds.ts";
import type { Losses } from "../model/losses.ts";
import type { ProcessFacts, ProcessId } from "../model/process.ts";
import type { FlowRecord, SeedEntry } from "../model/record.ts";

export const BACKENDS = ["fentry", "kprobe", "tracepoint"] as const;
export type Backend = (typeof BACKENDS)[number];
export type BackendChoice = Backend | "auto";

export interface CaptureOptions {
  readonly backend: BackendChoice;
  /** D-06: a UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  /** Files of any user's are still opened after the start, such as a log that is rotated. */
  readonly opensFilesLater?: boolean;
  /** Sizes of the kernel's tables; undefined: chosen by the platform. Tests make them small. */
  readonly maxTcpFlows?: number | undefined;
  readonly maxUdpFlows?: number | undefined;
  readonly ringBytes?: number | undefined;
  /** Told of every batch of records before it is decoded: bytes in the layout of bpf/wire.h, valid during the call. */
  readonly tap?: ((records: Uint8Array) => void) | undefined;
}

/** A backend that was tried and could not be used, or a part of the chosen one that is missing. */
export interface StepDown {
  readonly backend: string;
  /** One line for the user. */
  readonly reason: string;
}

/** Sockets that existed before, and how much of their description could not be read. */
export interface Seed {
  readonly entries: readonly SeedEntry[];
  readonly linesSkipped: number;
}

/** A running capture. */
export interface Capture {
  /** Name of the backend in use. */
  readonly backend: string;
  /** Kernel release, such as `6.12.41`. */
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
  /** Reads what existed before the capture began. Once, right after open. */
  seed(): Promise<Seed>;
  /** Reads what /proc knows now of sockets without traffic (`--all`): listening, TIME_WAIT. */
  sockets(): Promise<Seed>;
  /** Calls `take` for every event record that waits (open, state, owner, sample, close). */
  drain(take: (record: FlowRecord) => void): void;
  /** The TCP connections that /proc tells of now in some network namespaces; null where it could not be read in full. */
  connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null>;
  /** Calls `take` with the totals of every flow that moved since the last sweep. Drain first. */
  sweep(take: (record: FlowRecord) => void): void;
  /** As `sweep`, with the totals of every TCP connection there is. */
  sweepAll(take: (record: FlowRecord) => void): void;
  losses(): Losses;
  /** Detaches every program. Safe to call twice. */
  close(): void;
}

export interface Platform {
  /** Throws ExitError 77 without the privilege to capture, 69 where it can never work. */
  check(): void;
  /** Loads and attaches; throws ExitError 69 saying what is missing. */
  open(options: CaptureOptions): Capture;
  /** False when it is certain that nobody reads what is written to a descriptor any more. */
  hasReader(fd: number): boolean;
  /** Keeps other tcptops out of a file that is open for writing; false when one of them has it. */
  lockFile(fd: number): boolean;
  /** null if that process has ended, or nothing can be known of it; never what is known of another with its number. */
  describeProcess(process: ProcessId): ProcessFacts | null;
}
