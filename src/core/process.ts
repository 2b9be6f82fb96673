/** What the operating system says of a process beyond its name. */

/** A process, past or present. The kernel reuses process ids, so the start time is part of the identity. */
export interface ProcessId {
  readonly pid: number;
  /** When it began, CLOCK_BOOTTIME; null when unknown. */
  readonly startNs: number | null;
}

/** Untrusted text: sanitise before showing. null where nothing is known. */
export interface ProcessFacts {
  /** Its arguments, separated by spaces; a process may have changed them. */
  readonly commandLine: string | null;
  /** Path of its control group, which names the service or container. */
  readonly cgroup: string | null;
  /** Names of the processes that it descends from, the first of them first; absent: unknown. */
  readonly ancestors?: readonly string[];
}
