/** What reaches the model of processes between two refreshes. */

export type ProcessOperation =
  /** Records as the kernel side delivered them (bpf/processes/wire.h). */
  | { readonly kind: "records"; readonly bytes: Uint8Array }
  /** The arguments of a process that is older than the capture, read from /proc. */
  | {
      readonly kind: "arguments";
      readonly pid: number;
      readonly startNs: number;
      readonly words: readonly string[];
      readonly isCut: boolean;
    }
  /** A walk over all processes that began at `sinceNs` has ended: whoever it has not met is over. */
  | { readonly kind: "silent"; readonly nowNs: number; readonly sinceNs: number };
