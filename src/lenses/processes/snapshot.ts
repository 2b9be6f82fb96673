/** Everything one refresh has to show of processes. */
import type { ProcessId } from "../../core/process.ts";
import { type Snapshot as AnySnapshot, SnapshotOf } from "../../core/refresh.ts";
import type { Losses } from "./losses.ts";
import type { Ancestry, Process, ProcessEvent } from "./process.ts";

/** A process that is known, living or ended. */
export interface Known {
  readonly process: Process;
  readonly ancestry: Ancestry;
}

export interface Snapshot extends AnySnapshot {
  /** The living, and those that have ended since the refresh before, in the order of first sight. */
  readonly processes: readonly Process[];
  /** What happened since the refresh before, in that order. */
  readonly events: readonly ProcessEvent[];
  readonly losses: Losses;
  /** Also of those that have ended, as long as they are kept. */
  find(process: ProcessId): Known | null;
  /** Key of the process that the row of this one stands under: the nearest one above it that is shown. null: none. */
  parentOf(key: number): number | null;
}

export const PROCESSES = new SnapshotOf<Snapshot>("processes");
