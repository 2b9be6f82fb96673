/** What one turn of the loop gives: the time, and a snapshot of each lens that is on. */
import type { Moment } from "../base/clock.ts";

/** All that a lens has to show at one refresh. */
export interface Snapshot {
  /** CLOCK_MONOTONIC of the refresh. */
  readonly timeNs: number;
  /** Seconds since the refresh before (since the start for the first one). */
  readonly intervalS: number;
}

export interface Refresh {
  readonly at: Moment;
  /** By the ids of the lenses. */
  readonly snapshots: ReadonlyMap<string, Snapshot>;
}

/** Finds the snapshot of one lens. Only the lens itself puts a snapshot under its id. */
export class SnapshotOf<S extends Snapshot> {
  readonly lens: string;

  constructor(lens: string) {
    this.lens = lens;
  }

  /** Null where the lens is off. */
  in({ snapshots }: Refresh): S | null {
    return (snapshots.get(this.lens) as S | undefined) ?? null;
  }

  /** Throws where the lens is off. */
  of(refresh: Refresh): S {
    const snapshot = this.in(refresh);
    if (snapshot === null) throw new Error(`a refresh without ${this.lens}`);
    return snapshot;
  }

  /** A refresh that has this snapshot alone. */
  alone(at: Moment, snapshot: S): Refresh {
    return { at, snapshots: new Map([[this.lens, snapshot]]) };
  }
}
