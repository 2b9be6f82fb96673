/** What tcptop knows about one process. */

/** Where a process is in its life on the screen. */
export type Phase =
  /** Began since the refresh before. */
  | { readonly kind: "new" }
  | { readonly kind: "live" }
  /** Over. */
  | { readonly kind: "ended"; readonly endedNs: number };

/** One process, as of one refresh or one event. Texts are untrusted: sanitise before showing. */
export interface Process {
  /** Unique and stable for one run. */
  readonly key: number;
  /** Initial pid namespace. */
  readonly pid: number;
  /** When it began, CLOCK_BOOTTIME; with the pid its identity. */
  readonly startNs: number;
  /** Its parent now: the one that began it, or who has adopted it since. */
  readonly ppid: number;
  readonly parentStartNs: number;
  /** Name of the process, up to 15 bytes. */
  readonly name: string;
  /** Path of the program that it runs; null: unknown. */
  readonly executable: string | null;
  /** null: unknown. */
  readonly arguments: readonly string[] | null;
  readonly areArgumentsCut: boolean;
  /** Its directory when it began to run the program; null: unknown. */
  readonly directory: string | null;
  readonly uid: number;
  readonly cgroupId: bigint;
  /** Path of its control group; null: unknown. */
  readonly cgroup: string | null;
  /** null: none, or unknown. */
  readonly unit: string | null;
  /** null: none. */
  readonly tty: string | null;
  readonly phase: Phase;
  /** Older than tcptop. */
  readonly isExisting: boolean;
  /** Of the tree that was asked for. */
  readonly isOfTree: boolean;
  /** CLOCK_MONOTONIC. */
  readonly beganNs: number;
  /** Processor time of all its threads; null: unknown, for it has more of them than the kernel side adds up. */
  readonly cpuNs: number | null;
  /** Share of one processor over the last refresh; null where that time is unknown. */
  readonly cpuShare: number | null;
  /** Resident. */
  readonly memoryBytes: number;
  /** The most that was resident; null while it lives. */
  readonly mostMemoryBytes: number | null;
  /** Both null while it lives, and where nobody has seen it end. */
  readonly exitCode: number | null;
  readonly exitSignal: number | null;
  /** From its begin to its end; null while it lives. */
  readonly durationNs: number | null;
}

/** A file that a process opened, or could not open. */
export interface OpenedFile {
  readonly path: string;
  readonly isPathCut: boolean;
  /** Flags of open(2). */
  readonly flags: number;
  /** A descriptor, or a negative errno. */
  readonly result: number;
}

export type ProcessEventName = "fork" | "exec" | "exit" | "file";

/** Which process began which: the process itself comes last. */
export type Ancestry = readonly { readonly pid: number; readonly name: string }[];

/** What happened to a process, and what it was then. */
export interface ProcessEvent {
  /** In the order of their happening. */
  readonly number: number;
  readonly event: ProcessEventName;
  /** CLOCK_MONOTONIC. */
  readonly timeNs: number;
  readonly process: Process;
  readonly ancestry: Ancestry;
  /** With `file`. */
  readonly file: OpenedFile | null;
}
