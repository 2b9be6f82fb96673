/** What the kernel side says of processes, decoded. */

export const RecordKind = { fork: 1, exec: 2, exit: 3, found: 4, cgroup: 5, file: 6 } as const;

/** Bits of a record's flags (`enum processes_flag`). */
export const Flag = {
  argumentsCut: 1,
  argumentsUnread: 2,
  executableCut: 4,
  directoryCut: 8,
  bySibling: 16,
  runtimeCut: 32,
  ofTree: 64,
} as const;

/** A process at one moment. Texts are untrusted: sanitise before showing. */
export interface ProcessRecord {
  readonly kind: number;
  /** CLOCK_MONOTONIC. */
  readonly timeNs: number;
  readonly pid: number;
  /** CLOCK_BOOTTIME. */
  readonly startNs: number;
  readonly ppid: number;
  readonly parentStartNs: number;
  readonly ageNs: number;
  readonly cgroupId: bigint;
  readonly runtimeNs: number;
  readonly memoryBytes: number;
  readonly uid: number;
  /** As wait(2) gives it. */
  readonly status: number;
  readonly flags: number;
  readonly process: string;
  /** Empty: none. */
  readonly tty: string;
  /** null: the record has none. */
  readonly arguments: readonly string[] | null;
  readonly executable: string | null;
  readonly directory: string | null;
}

/** A file that a process opened, or could not open. */
export interface FileRecord {
  readonly timeNs: number;
  readonly pid: number;
  readonly startNs: number;
  readonly process: string;
  /** A descriptor, or a negative errno. */
  readonly result: number;
  readonly openFlags: number;
  readonly path: string;
  /** The path as the process passed it, which may be relative; else the file's own. */
  readonly isAsked: boolean;
  readonly isCut: boolean;
}

/** Gets what a batch of records says, in its order. */
export interface RecordTaker {
  process(record: ProcessRecord): void;
  cgroup(id: bigint, path: string): void;
  file(record: FileRecord): void;
}
