/** The state machine between capture and screen: records and the time in, snapshots out. */
import { type Connection, type Protocol, TCP_STATES, type TcpState } from "../model/connection.ts";
import type { Losses } from "../model/losses.ts";
import { type FlowRecord, IPPROTO_TCP, isFlow, RecordKind, type SeedEntry } from "../model/record.ts";
import type { Counts, Snapshot, Totals } from "../model/snapshot.ts";
import { ClosedFlows } from "./closed-flows.ts";
import { type Counters, exceeds, perSecond, ZERO } from "./counters.ts";
import { Row, tupleText } from "./row.ts";
import { findSocket, RowsByTuple } from "./tuples.ts";

export interface AggregatorOptions {
  /** D-06: a UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  /** When the capture began, CLOCK_MONOTONIC; rates of the first refresh are over the time since. */
  readonly startNs: number;
}

function viewsOf(rows: readonly Row[]): Connection[] {
  return rows.flatMap(({ view }) => view ?? []);
}

/** A connection that only /proc has told of. */
export interface UnmetFlow {
  readonly key: number;
  readonly protocol: Protocol;
  readonly netns: number;
  readonly inode: number;
  /** As `tupleText` makes it. */
  readonly tuple: string | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Holds every row. Records may come late, twice, out of order or not at all; see `apply`. Work per
 * refresh grows with the rows that changed, but for one copy of the list of rows.
 */
export class Aggregator {
  readonly #udpIdleNs: number;
  #refreshedNs: number;
  #hasRefreshed = false;
  #lastKey = 0;
  /** Sockets without a flow count down, so that the keys of flows are the same with and without them. */
  #lastSocketKey = 0;

  /** Flows the kernel side has told of, open ones and those whose close is only presumed and not shown yet. */
  readonly #byId = new Map<bigint, Row>();
  /** Rows of open flows that only /proc has told of: the kernel side has not met their sockets. */
  readonly #unmet = new RowsByTuple();
  /** While a seed is taken in: all other flows since the refresh before. */
  #met: RowsByTuple | null = null;
  readonly #udp = new Set<Row>();
  /** Rows of `setSockets` by tuple and inode. */
  #sockets = new Map<string, Row>();
  readonly #closedFlows = new ClosedFlows();

  /** What is shown, in the order of first sight; `#views[i]` is the view of `#rows[i]`. */
  readonly #rows: Row[] = [];
  readonly #views: Connection[] = [];
  #connections: readonly Connection[] = [];

  /** Since the refresh before: rows to look at, rows that opened and that ended. */
  #queue: Row[] = [];
  #opened: Row[] = [];
  #closed: Row[] = [];
  #presumed: Row[] = [];
  /** Rows that the refresh before showed for the last time. */
  #leaving: readonly Row[] = [];

  readonly #totals: Mutable<Counters> = { ...ZERO };
  #tcpCount = 0;
  #udpCount = 0;
  readonly #stateCounts = new Map<TcpState, number>(
    TCP_STATES.flatMap((state) => (state ? [[state, 0]] : [])),
  );

  constructor(options: AggregatorOptions) {
    this.#udpIdleNs = options.udpIdleNs;
    this.#refreshedNs = options.startNs;
  }

  /** Rows in memory: those shown and those that opened since. */
  get size(): number {
    return this.#rows.length + this.#opened.length;
  }

  /**
   * Adds the connections that existed before the capture, all at once or in parts. One that the records have
   * told of already is the same row: it has the same addresses, and the same socket as far as both tell.
   * `nowNs` is when they were read.
   */
  seed(entries: readonly SeedEntry[], nowNs: number): void {
    this.#met ??= this.#metRows();
    for (const entry of entries) {
      if (!isFlow(entry)) continue;
      const row = Row.ofSeed(this.#lastKey + 1, entry, nowNs);
      const { tuple, inode } = row;
      const known = findSocket(this.#met.get(tuple), inode);
      if (known !== undefined) {
        known.inode = inode || known.inode;
        if (known.isOpen()) known.nameOwner(entry.owner, true);
        if (known.isChanged) this.#enqueue(known);
      } else if (!this.#unmet.get(tuple)?.some((other) => other.inode === inode)) {
        this.#lastKey++;
        this.#track(row);
      }
    }
  }

  #metRows(): RowsByTuple {
    const rows = new RowsByTuple();
    for (const row of this.#byId.values()) rows.add(row);
    for (const row of this.#closed) if (row.id !== null && this.#byId.get(row.id) !== row) rows.add(row);
    return rows;
  }

  /** The connections that only /proc has told of. */
  unmet(): UnmetFlow[] {
    return [...this.#unmet];
  }

  /** Ends connections that only /proc had told of, by their keys: it does not tell of them any more. */
  endUnmet(keys: readonly number[], nowNs: number): void {
    const ending = new Set(keys);
    for (const row of this.#unmet) if (ending.has(row.key)) this.#drop(row, nowNs);
  }

  /**
   * Ends TCP connections that no record has told of since `sinceNs`, after the kernel side has reported every one
   * there is: their closes were lost.
   */
  endSilent(sinceNs: number, nowNs: number): void {
    for (const row of this.#byId.values()) {
      if (row.protocol === "tcp" && row.isOpen() && row.heardNs < sinceNs) this.#presumeEnd(row, nowNs);
    }
  }

  /**
   * Shows the sockets that carry no flow (listening, TIME_WAIT, SYN_RECV, unconnected UDP), and no
   * others than these: all that were given before and are missing now end. Flows among the entries are
   * left out. Their times are those of the refresh before.
   */
  setSockets(entries: readonly SeedEntry[]): void {
    const sockets = new Map<string, Row>();
    for (const entry of entries) {
      if (isFlow(entry)) continue;
      const { proto, netns, localAddress, localPort, remoteAddress, remotePort, inode } = entry;
      const name = `${proto} ${netns} ${localAddress} ${localPort} ${remoteAddress} ${remotePort} ${inode}`;
      if (sockets.has(name)) continue;
      const known = this.#sockets.get(name);
      const row = known ?? Row.ofSocket(--this.#lastSocketKey, entry, this.#refreshedNs, !this.#hasRefreshed);
      sockets.set(name, row);
      if (known === undefined) this.#show(row);
      else row.describeSocket(entry);
      if (row.isChanged) this.#enqueue(row);
    }
    for (const [name, row] of this.#sockets) {
      if (!sockets.has(name)) this.#end(row, this.#refreshedNs);
    }
    this.#sockets = sockets;
  }

  /**
   * Takes in a record. Counters only grow, the rest follows the newest record, a close is final. Any
   * kind of record opens the row of an unknown id. A flow that is over stays so: a late record of it
   * changes nothing, unless its end was presumed (or it is UDP) and the record has more to tell than
   * was shown; that opens another row, which counts from there.
   */
  apply(record: FlowRecord): void {
    this.#met = null;
    const row = this.#byId.get(record.id) ?? this.#enter(record);
    if (row === null) return;
    const isClose = record.kind === RecordKind.close;
    const { hasTuple } = row;
    row.update(record, isClose);
    if (!hasTuple) this.#replaceUnmet(row, record.timeNs);
    if (row.isChanged) this.#enqueue(row);
    if (isClose) this.#confirmEnd(row, record);
  }

  /** The row of an id that has none; null if there is to be none. */
  #enter(record: FlowRecord): Row | null {
    const closed = this.#closedFlows.get(record.id);
    if (closed === undefined) return this.#adopt(record) ?? this.#track(Row.ofFlow(++this.#lastKey, record));
    if (!closed.isFinal && exceeds(record, closed.counters)) {
      this.#closedFlows.forget(record.id);
      return this.#track(Row.ofFlow(++this.#lastKey, record, closed.counters));
    }
    if (record.kind === RecordKind.close) this.#rememberEnd(record, closed.counters);
    return null;
  }

  /** The seeded row that a record of an unknown id belongs to. */
  #adopt(record: FlowRecord): Row | null {
    if (this.#unmet.isEmpty) return null;
    const local = { address: record.localAddress(), port: record.localPort };
    const remote = { address: record.remoteAddress(), port: record.remotePort };
    const tuple = tupleText(record.proto, record.netns, local, remote);
    const row = findSocket(this.#unmet.get(tuple), record.inode);
    if (row === undefined) return null;
    this.#unmet.delete(row);
    row.adopt(record);
    this.#byId.set(record.id, row);
    return row;
  }

  /** A connect under way has got its addresses: /proc may have told of it already, as another row. */
  #replaceUnmet(row: Row, nowNs: number): void {
    const double = findSocket(this.#unmet.get(row.tuple), row.inode);
    if (double !== undefined) this.#drop(double, nowNs);
  }

  #track(row: Row): Row {
    if (row.id !== null) this.#byId.set(row.id, row);
    else this.#unmet.add(row);
    if (row.protocol === "udp") this.#udp.add(row);
    this.#show(row);
    return row;
  }

  /** Ends a row that only /proc had told of; one that was never shown need not be. */
  #drop(row: Row, nowNs: number): void {
    this.#unmet.delete(row);
    if (row.view !== null) {
      this.#end(row, nowNs);
      return;
    }
    row.advance({ kind: "dropped" });
    this.#udp.delete(row);
  }

  #show(row: Row): void {
    this.#opened.push(row);
    this.#enqueue(row);
  }

  #enqueue(row: Row): void {
    if (row.isQueued) return;
    row.isQueued = true;
    this.#queue.push(row);
  }

  #end(row: Row, closedNs: number): void {
    if (!row.isOpen()) return;
    row.advance({ kind: "closed", closedNs });
    this.#udp.delete(row);
    if (row.id === null) this.#unmet.delete(row);
    this.#closed.push(row);
    this.#enqueue(row);
  }

  #confirmEnd(row: Row, record: FlowRecord): void {
    this.#end(row, record.timeNs);
    this.#byId.delete(record.id);
    this.#rememberEnd(record, row.absoluteCounters());
  }

  /** The kernel may close a silent UDP flow while its next datagram is on the way. */
  #rememberEnd(record: FlowRecord, counters: Counters): void {
    this.#closedFlows.addConfirmed(record.id, { counters, isFinal: record.proto === IPPROTO_TCP });
  }

  /** Until the next refresh has shown the end, records of the flow still count for this row. */
  #presumeEnd(row: Row, closedNs: number): void {
    this.#end(row, closedNs);
    this.#presumed.push(row);
  }

  /** Everything that happened since the refresh before, and what there is now. `nowNs`: CLOCK_MONOTONIC. */
  refresh(nowNs: number, kernelLosses: Losses): Snapshot {
    const intervalS = Math.max(0, nowNs - this.#refreshedNs) / 1e9;
    const totalsBefore = { ...this.#totals };
    this.#refreshedNs = nowNs;
    this.#hasRefreshed = true;
    this.#met = null;
    this.#endIdleUdp(nowNs);
    if (kernelLosses.flowsUntracked > 0) this.#dropUnmet(nowNs);
    this.#closedFlows.age(nowNs);
    this.#settlePresumed(nowNs);
    const updated = this.#renderQueue(intervalS);
    const snapshot: Snapshot = {
      timeNs: nowNs,
      intervalS,
      connections: this.#connections,
      opened: viewsOf(this.#opened),
      updated,
      closed: viewsOf(this.#closed),
      totals: this.#totalsSince(totalsBefore, intervalS),
      counts: this.#counts(),
      losses: kernelLosses,
    };
    this.#turnOver();
    return snapshot;
  }

  #endIdleUdp(nowNs: number): void {
    for (const row of this.#udp) {
      if (nowNs - row.lastSeenNs() >= this.#udpIdleNs) this.#presumeEnd(row, nowNs);
    }
  }

  /** A full table keeps the kernel side from meeting their sockets: what they move is not counted. */
  #dropUnmet(nowNs: number): void {
    for (const row of this.#unmet) this.#drop(row, nowNs);
  }

  #settlePresumed(nowNs: number): void {
    for (const row of this.#presumed) {
      if (row.id === null || this.#byId.get(row.id) !== row) continue;
      this.#byId.delete(row.id);
      this.#closedFlows.addPresumed(row.id, row.absoluteCounters(), nowNs);
    }
    this.#presumed = [];
  }

  /** Brings views, totals and counts up to date; returns the views that count as updated. */
  #renderQueue(intervalS: number): Connection[] {
    const updated: Connection[] = [];
    if (this.#queue.length === 0 && this.#leaving.length === 0) return updated;
    this.#removeLeaving();
    for (const row of this.#queue) {
      row.isQueued = false;
      if (row.phase.kind === "gone") continue;
      const { view: before, isChanged } = row;
      const view = row.render(row.phase, intervalS);
      if (before === null) row.index = this.#rows.push(row) - 1;
      this.#views[row.index] = view;
      this.#addGrowth(before ?? ZERO, view);
      this.#recount(before, view);
      const hasOtherRate = before?.rateIn !== view.rateIn || before.rateOut !== view.rateOut;
      if (before !== null && view.phase.kind === "live" && (isChanged || hasOtherRate)) updated.push(view);
    }
    this.#connections = this.#views.slice();
    return updated;
  }

  #removeLeaving(): void {
    if (this.#leaving.length === 0) return;
    let end = this.#rows.length;
    for (const row of this.#leaving) end = Math.min(end, row.index);
    for (let i = end; i < this.#rows.length; i++) {
      const row = this.#rows[i];
      if (row === undefined || row.view === null || row.phase.kind === "gone") continue;
      row.index = end;
      this.#rows[end] = row;
      this.#views[end] = row.view;
      end++;
    }
    this.#rows.length = end;
    this.#views.length = end;
  }

  #addGrowth(before: Counters, now: Counters): void {
    this.#totals.bytesIn += now.bytesIn - before.bytesIn;
    this.#totals.bytesOut += now.bytesOut - before.bytesOut;
    this.#totals.packetsIn += now.packetsIn - before.packetsIn;
    this.#totals.packetsOut += now.packetsOut - before.packetsOut;
  }

  #recount(before: Connection | null, view: Connection): void {
    const isCounted = view.phase.kind !== "closing";
    if (before !== null && isCounted && before.state === view.state) return;
    if (before !== null) this.#count(before, -1);
    if (isCounted) this.#count(view, 1);
  }

  #count({ protocol, state }: Connection, change: 1 | -1): void {
    if (protocol === "tcp") this.#tcpCount += change;
    else this.#udpCount += change;
    if (state !== null) this.#stateCounts.set(state, (this.#stateCounts.get(state) ?? 0) + change);
  }

  #counts(): Counts {
    const byState = new Map([...this.#stateCounts].filter(([, count]) => count > 0));
    return { tcp: this.#tcpCount, udp: this.#udpCount, byState };
  }

  #totalsSince(before: Counters, intervalS: number): Totals {
    return {
      ...this.#totals,
      rateIn: perSecond(this.#totals.bytesIn - before.bytesIn, intervalS),
      rateOut: perSecond(this.#totals.bytesOut - before.bytesOut, intervalS),
    };
  }

  /** What was shown as new is live from now on, what was shown as closing is gone; what moved may stop. */
  #turnOver(): void {
    const shown = this.#queue;
    this.#leaving = this.#closed;
    this.#queue = [];
    this.#opened = [];
    this.#closed = [];
    for (const row of shown) {
      const wasNew = row.phase.kind === "new";
      row.advance({ kind: "shown" });
      if (row.phase.kind !== "live") continue;
      if (wasNew || row.view?.rateIn !== 0 || row.view.rateOut !== 0) this.#enqueue(row);
    }
  }
}
