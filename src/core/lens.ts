/** What the rooms behind the lenses know of a lens. */

/**
 * The state of a lens. It is pure, without clock, timer and I/O, and a recording has all that reaches it: its operations
 * and its refreshes, in their order. A capture and a replay of its recording therefore show the same.
 */
export interface Model<Operation, Losses, Snapshot> {
  apply(operation: Operation): void;
  /** Everything that happened since the refresh before, and what there is now. `nowNs`: CLOCK_MONOTONIC. */
  refresh(nowNs: number, losses: Losses): Snapshot;
  /** Rows in memory. */
  readonly size: number;
  /** Whether so much has come and gone that a refresh should not wait. */
  readonly isCrowded: boolean;
}
