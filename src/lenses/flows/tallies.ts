/** The sums that stand above the table. */
import type { Sum } from "./sums.ts";

/** Refreshes that the header's graphs reach back. */
export const PAST_LENGTH = 60;

/** The sums of one filter as of one refresh. */
export interface Tally extends Sum {
  /** Connections that have come since the refresh before. */
  readonly fresh: number;
  /** Connections without a row: too many came and went since the refresh before. */
  readonly unlisted: number;
  /** Bytes a second in the last refreshes, the newest last. */
  readonly pastIn: readonly number[];
  readonly pastOut: readonly number[];
}

export interface Tallies {
  readonly shown: Tally;
  /** null: everything is shown. */
  readonly machine: Tally | null;
}
