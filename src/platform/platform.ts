/** What tcptop needs of an operating system; every platform implements this and nothing more. */
import type { ProcessFacts, ProcessId } from "../core/process.ts";
import type { SourceHost, StepDown } from "../core/source.ts";
import type { TableSizes } from "../lenses/flows/bounds.ts";
import type { FlowSource } from "../lenses/flows/source.ts";

export type { StepDown };

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
  /** Opens what else is captured, before privileges are given up. */
  readonly openSources?: ((host: SourceHost) => void) | undefined;
}

/** A running capture. */
export interface Capture extends FlowSource {
  /** Name of the backend in use. */
  readonly backend: string;
  /** Kernel release, such as `6.12.41`. */
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
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
