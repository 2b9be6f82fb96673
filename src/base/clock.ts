/** The two clocks of the program; nothing else reads time. */

/** The source of time. Tests pass a `Clock` of their own. */
export interface Clock {
  /** Nanoseconds of CLOCK_MONOTONIC, the clock of the kernel's records. */
  monotonicNs(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number;
}

/** One moment on both clocks. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** CLOCK_MONOTONIC. */
  readonly nowNs: number;
}

/** The machine's clocks. A double holds nanoseconds exactly for 104 days of uptime, then to 2 ns. */
export const systemClock: Clock = {
  monotonicNs: () => Number(process.hrtime.bigint()),
  wallMs: () => Date.now(),
};
