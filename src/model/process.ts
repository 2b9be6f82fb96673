/** What the operating system says of a process beyond its name. */

/** Untrusted text: sanitise before showing. null where nothing is known. */
export interface ProcessFacts {
  /** Its arguments, separated by spaces; a process may have changed them. */
  readonly commandLine: string | null;
  /** Path of its control group, which names the service or container. */
  readonly cgroup: string | null;
}
