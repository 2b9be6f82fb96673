/** What tcptop needs of an operating system; every platform implements this and nothing more. */
import type { OutputKeeper } from "../base/output-file.ts";
import type { LensSource, OpenOptions } from "../core/lens.ts";
import type { ProcessFacts, ProcessId } from "../core/process.ts";
import type { SourceHost, StepDown } from "../core/source.ts";

export type { StepDown };

export const BACKENDS = ["fentry", "kprobe", "tracepoint"] as const;
export type Backend = (typeof BACKENDS)[number];
export type BackendChoice = Backend | "auto";

/** A lens as a platform opens it. */
export interface OpenedLens {
  readonly id: string;
  open(host: SourceHost, options: OpenOptions): LensSource;
}

export interface CaptureOptions extends OpenOptions {
  readonly backend: BackendChoice;
  /** In this order. */
  readonly lenses: readonly OpenedLens[];
  /** Whom root becomes once it captures; null: who called sudo, else `nobody`. */
  readonly user?: string | null;
}

/** What this program may still do while it captures. */
export interface Privileges {
  readonly uid: number;
  readonly capabilities: readonly string[];
  readonly hasNoNewPrivs: boolean;
  readonly hasLandlock: boolean;
  readonly hasSeccomp: boolean;
  /** Of the broker, which loads and opens for it. */
  readonly brokerCapabilities: readonly string[];
}

/** A running capture. */
export interface Capture {
  /** Kernel release, such as `6.12.41`. */
  readonly kernel: string;
  /** What cannot be seen on this machine, or done. */
  readonly stepDowns: readonly StepDown[];
  /** Null where they are not known. */
  readonly privileges: Privileges | null;
  /** By the ids of the lenses. */
  readonly sources: ReadonlyMap<string, LensSource>;
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
  /** What opens outputs again later; null: this program itself. */
  readonly outputs: OutputKeeper | null;
  /** Ends what opens and loads for this program. Safe to call twice. */
  close(): void;
  /** Facts of this process, never of another with its id. null when the process has ended or cannot be read. */
  describeProcess(process: ProcessId): ProcessFacts | null;
}
