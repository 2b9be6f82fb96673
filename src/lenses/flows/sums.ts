/** Sums over the connections that a filter lets through. */
import { type Connection, TCP_STATES, type TcpState } from "./connection.ts";
import type { Accept } from "./filter.ts";
import { type Counters, perSecond, ZERO } from "./model/counters.ts";
import type { Counts, Snapshot, Totals } from "./snapshot.ts";

export interface Sum {
  /** Each connection counts with the totals that it was shown with last; rates are of the last refresh. */
  readonly totals: Totals;
  /** Of the connections that are shown now, without those that have closed. */
  readonly counts: Counts;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Keeps the sums of one filter from refresh to refresh. Connections that have gone stay in the totals.
 * One that the filter lets through only later, when its owner is known, then counts with all it has moved;
 * one that another process has taken over keeps what it had. Work grows with the rows that changed.
 */
export class Sums {
  readonly #accept: Accept | null;
  /** Open connections that the filter let through, as shown last. */
  readonly #shown = new Map<number, Connection>();
  /** Keys among those that the filter does not let through any more. */
  readonly #left = new Set<number>();
  readonly #totals: Mutable<Counters> = { ...ZERO };
  readonly #counts = { tcp: 0, udp: 0 };
  readonly #states = new Map<TcpState, number>(TCP_STATES.flatMap((state) => (state ? [[state, 0]] : [])));
  #hasBegun = false;
  /** Bytes of this refresh. */
  #grownIn = 0;
  #grownOut = 0;
  #unlisted = 0;

  /** null: everything; the sums are those of the machine. */
  constructor(accept: Accept | null) {
    this.#accept = accept;
  }

  /** How many of the last refresh's `unlisted` the filter lets through. */
  get unlisted(): number {
    return this.#unlisted;
  }

  /**
   * Takes in the next refresh; every one, in order. What was there before the first one counts with all it
   * has moved.
   */
  add(snapshot: Snapshot): Sum {
    const accept = this.#accept;
    if (accept === null) {
      this.#unlisted = snapshot.unlisted.size;
      return { totals: snapshot.totals, counts: snapshot.counts };
    }
    if (!this.#hasBegun) return this.begin(snapshot, snapshot.connections.filter(accept));
    this.#grownIn = 0;
    this.#grownOut = 0;
    const { opened, updated, closed, intervalS } = snapshot;
    for (const row of opened) if (row.phase.kind !== "closing") this.#take(row, accept(row), intervalS);
    for (const row of updated) this.#take(row, accept(row), intervalS);
    for (const row of closed) this.#take(row, accept(row), intervalS);
    this.#takeUnlisted(snapshot);
    return this.#sum(intervalS);
  }

  /** Takes in the first refresh. `passing`: what the filter lets through of its connections. */
  begin(snapshot: Snapshot, passing: readonly Connection[]): Sum {
    const { intervalS } = snapshot;
    this.#hasBegun = true;
    for (const row of passing) this.#take(row, true, intervalS);
    this.#takeUnlisted(snapshot);
    return this.#sum(intervalS);
  }

  #takeUnlisted({ unlisted, intervalS }: Snapshot): void {
    this.#unlisted = 0;
    for (const row of unlisted) {
      const isIn = this.#accept?.(row) ?? true;
      this.#take(row, isIn, intervalS);
      if (isIn) this.#unlisted++;
    }
  }

  #sum(intervalS: number): Sum {
    return {
      totals: {
        ...this.#totals,
        rateIn: perSecond(this.#grownIn, intervalS),
        rateOut: perSecond(this.#grownOut, intervalS),
      },
      counts: {
        ...this.#counts,
        byState: new Map([...this.#states].filter(([, count]) => count > 0)),
      },
    };
  }

  #take(row: Connection, isIn: boolean, intervalS: number): void {
    const { key } = row;
    const before = this.#shown.get(key);
    const isOver = row.phase.kind === "closing";
    if (before !== undefined && !this.#left.delete(key)) this.#count(before, -1);
    if (isIn) {
      this.#grow(before ?? ZERO, row);
      // A rate times its interval is a whole number of bytes again.
      this.#grownIn += Math.round(row.rateIn * intervalS);
      this.#grownOut += Math.round(row.rateOut * intervalS);
      if (!isOver) {
        this.#shown.set(key, row);
        this.#count(row, 1);
      }
    } else if (before !== undefined) {
      this.#left.add(key);
    }
    if (!isOver || before === undefined) return;
    this.#shown.delete(key);
    this.#left.delete(key);
  }

  #grow(before: Counters, now: Counters): void {
    this.#totals.bytesIn += now.bytesIn - before.bytesIn;
    this.#totals.bytesOut += now.bytesOut - before.bytesOut;
    this.#totals.packetsIn += now.packetsIn - before.packetsIn;
    this.#totals.packetsOut += now.packetsOut - before.packetsOut;
  }

  #count({ protocol, state }: Connection, change: 1 | -1): void {
    this.#counts[protocol] += change;
    if (state !== null) this.#states.set(state, (this.#states.get(state) ?? 0) + change);
  }
}
