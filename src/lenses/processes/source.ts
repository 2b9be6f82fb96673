/** What a platform captures of processes. */

import type { LensSource } from "../../core/lens.ts";
import type { ProcessId } from "../../core/process.ts";
import type { KernelLosses } from "./losses.ts";

/** Gets records in the layout of bpf/processes/wire.h; the bytes are valid during the call. */
export type TakeRecords = (records: Uint8Array) => void;

/** The arguments of a process, as /proc has them. */
export interface ReadArguments {
  readonly pid: number;
  readonly startNs: number;
  readonly words: readonly string[];
  readonly isCut: boolean;
}

export interface ProcessSource extends LensSource {
  /** Walks over all processes beside this thread. Call once, right after open. */
  seed(): Promise<Uint8Array>;
  /** The arguments of a process that is older than the capture; null where they cannot be read. */
  readArguments(process: ProcessId): ReadArguments | null;
  /** Delivers every event that waits. */
  drain(take: TakeRecords): void;
  /** Delivers the processes that have run since the walk before, with `all` every process. */
  walk(take: TakeRecords, all: boolean): void;
  losses(): KernelLosses;
}
