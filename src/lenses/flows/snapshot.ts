/** Everything one refresh has to show. */
import { type Snapshot as AnySnapshot, SnapshotOf } from "../../core/refresh.ts";
import type { Connection, TcpState } from "./connection.ts";
import type { RecordedLosses } from "./losses.ts";

/** Sums over all flows, the gone ones included. */
export interface Totals {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  /** Bytes a second over the last refresh. */
  readonly rateIn: number;
  readonly rateOut: number;
}

export interface Counts {
  readonly tcp: number;
  readonly udp: number;
  readonly byState: ReadonlyMap<TcpState, number>;
}

/** Connections, each made when it is asked for. */
export interface ConnectionList extends Iterable<Connection> {
  readonly size: number;
}

/** All connections, totals and losses at one refresh. */
export interface Snapshot extends AnySnapshot {
  /** Every row to show, closing ones included, in the order of first sight. */
  readonly connections: readonly Connection[];
  /** The rows that appeared, changed or ended since the refresh before; a short one is in both first and last. */
  readonly opened: readonly Connection[];
  readonly updated: readonly Connection[];
  readonly closed: readonly Connection[];
  /** Connections that came and went since the refresh before, too many to be rows: in no other list, but in the totals. */
  readonly unlisted: ConnectionList;
  readonly totals: Totals;
  readonly counts: Counts;
  readonly losses: RecordedLosses;
}

/** The flows of a refresh. */
export const FLOWS = new SnapshotOf<Snapshot>("flows");
