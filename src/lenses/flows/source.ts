/** What a platform captures of flows. */
import type { Losses } from "./losses.ts";
import type { Seed, SeedEntry } from "./record.ts";

/** Gets records in the layout of bpf/flows/wire.h; the bytes are valid during the call. */
export type TakeRecords = (records: Uint8Array) => void;

export interface FlowSource {
  /** Reads the existing connections. Call once, right after open. */
  seed(): Promise<Seed>;
  /** Reads the sockets without traffic (`--all`) from /proc: listening, TIME_WAIT. */
  sockets(): Promise<Seed>;
  /** Delivers every event record that waits (open, state, owner, sample, close). */
  drain(take: TakeRecords): void;
  /** The TCP connections in /proc of some network namespaces; null when /proc could not be read in full. */
  connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null>;
  /** Delivers the totals of every flow that moved since the last sweep. Drain first. */
  sweep(take: TakeRecords): void;
  /** Like `sweep`, with the totals of every TCP connection, moved or not. */
  sweepAll(take: TakeRecords): void;
  /** Without the records that cannot be decoded. */
  losses(): Losses;
}
