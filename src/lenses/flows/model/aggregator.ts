/** The state machine between capture and screen: records and the time in, snapshots out. */
import { type Connection, type Protocol, TCP_STATES, type TcpState } from "../connection.ts";
import type { RecordedLosses } from "../losses.ts";
import { type FlowRecord, IPPROTO_TCP, IPPROTO_UDP, isFlow, RecordKind, type SeedEntry } from "../record.ts";
import type { Counts, Snapshot, Totals } from "../snapshot.ts";
import { BriefFlows } from "./brief-flows.ts";
import { ClosedFlows } from "./closed-flows.ts";
import { type Counters, exceeds, perSecond, ZERO } from "./counters.ts";
import { Row, tupleText } from "./row.ts";
import { ByTuple, findSocket, type Socket } from "./tuples.ts";

export interface AggregatorOptions {
  /** A UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  /** When the capture began, CLOCK_MONOTONIC; rates of the first refresh are over the time since. */
  readonly startNs: number;
}

function viewsOf(rows: readonly Row[]): Connection[] {
  return rows.flatMap(({ view }) => view ?? []);
}

/** A connection that is known from /proc alone. */
export interface UnmetFlow {
  readonly key: number;
  readonly protocol: Protocol;
  readonly netns: number;
  readonly inode: number;
  /** As `tupleText` makes it. */
  readonly tuple: string | null;
}

/** A flow of the kernel side; without a row it is over. */
interface MetFlow extends Socket {
  readonly row: Row | null;
}

/** Connections that came and went between two refreshes and are rows all the same: the largest ones. */
const MOST_BRIEF_ROWS = 2000;

/** With more of them it is time for a refresh; what comes with the next sweep still fits. */
const MANY_BRIEF_FLOWS = 100_000;

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

  /** Flows with a record: open ones, and those whose close is only presumed and not shown yet. */
  readonly #byId = new Map<bigint, Row>();
  /** Rows of open flows without a record, known from /proc alone. */
  readonly #unmet = new ByTuple<Row>();
  /** While existing connections are added: all other flows since the refresh before. */
  #met: ByTuple<MetFlow> | null = null;
  readonly #udp = new Set<Row>();
  /** Rows of `setSockets` by tuple and inode. */
  #sockets = new Map<string, Row>();
  readonly #closedFlows = new ClosedFlows();

  /** What is shown, in the order of first sight; `#views[i]` is the view of `#rows[i]`. */
  readonly #rows: Row[] = [];
  readonly #views: Connection[] = [];
  #connections: readonly Connection[] = [];

  /** Since the refresh before: rows to bring up to date, rows that opened and rows that ended. */
  #queue: Row[] = [];
  #fresh = new Set<Row>();
  #brief = new BriefFlows();
  /** Whether the list of the refresh before has connections that were brief. */
  #showsBrief = false;
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
    return this.#rows.length + this.#fresh.size + this.#brief.size;
  }

  /** Whether so much has come and gone that a refresh should not wait. */
  get isCrowded(): boolean {
    return this.#brief.size >= MANY_BRIEF_FLOWS;
  }

  /**
   * Adds the existing connections, all at once or in parts. A connection that already has a row by its records keeps
   * that row: addresses are equal, and inodes too where both are known. `nowNs` is the time of the read.
   */
  seed(entries: readonly SeedEntry[], nowNs: number): void {
    this.#met ??= this.#metFlows();
    for (const entry of entries) {
      if (!isFlow(entry)) continue;
      const row = Row.ofSeed(this.#lastKey + 1, entry, nowNs);
      const { tuple, inode } = row;
      const known = findSocket(this.#met.get(tuple), inode);
      if (known !== undefined) {
        if (known.row !== null) this.#complete(known.row, entry);
      } else if (!this.#unmet.get(tuple)?.some((other) => other.inode === inode)) {
        this.#lastKey++;
        this.#track(row);
      }
    }
  }

  #complete(row: Row, { inode, owner }: SeedEntry): void {
    row.inode = inode || row.inode;
    if (row.isOpen()) row.nameOwner(owner, true);
    if (row.isChanged) this.#enqueue(row);
  }

  #metFlows(): ByTuple<MetFlow> {
    const flows = new ByTuple<MetFlow>();
    const { size } = this.#brief;
    for (const row of this.#byId.values()) flows.add(new MetRow(row));
    for (const row of this.#closed) {
      if (row.id !== null && this.#byId.get(row.id) !== row) flows.add(new MetRow(row));
    }
    for (let i = 0; i < size; i++) {
      const { protocol, netns, local, remote } = this.#brief.at(i, 0);
      const proto = protocol === "udp" ? IPPROTO_UDP : IPPROTO_TCP;
      flows.add({ tuple: tupleText(proto, netns, local, remote), inode: this.#brief.inodeAt(i), row: null });
    }
    return flows;
  }

  /** The connections that are known from /proc alone. */
  unmet(): UnmetFlow[] {
    return [...this.#unmet];
  }

  /** Ends connections known from /proc alone that are not there any more, by their keys. */
  endUnmet(keys: readonly number[], nowNs: number): void {
    const ending = new Set(keys);
    for (const row of this.#unmet) if (ending.has(row.key)) this.#drop(row, nowNs);
  }

  /**
   * Ends TCP connections without a record since `sinceNs`. Call after the kernel side has reported every connection:
   * the closes of these were lost.
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
   * Takes in a record. Counters only grow, the rest follows the newest record, a close is final. Any kind of record
   * opens the row of an unknown id. A late record of a flow that is over changes nothing. One exception: the end was
   * presumed, or the flow is UDP, and the record counts more than was shown. Then another row opens, which counts
   * from there.
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

  /** The row from /proc that a record of an unknown id belongs to. */
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

  /** A connect under way has got its addresses: it may have another row, from /proc. */
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

  /** Ends a row known from /proc alone. A row that was never shown is just removed. */
  #drop(row: Row, nowNs: number): void {
    this.#unmet.delete(row);
    if (row.view !== null) {
      this.#end(row, nowNs);
      return;
    }
    row.advance({ kind: "dropped" });
    this.#fresh.delete(row);
    this.#udp.delete(row);
  }

  #show(row: Row): void {
    this.#fresh.add(row);
  }

  /** Rows that were never shown are looked at anyway. */
  #enqueue(row: Row): void {
    if (row.isQueued || row.view === null) return;
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
    const isBrief = row.view === null && row.isOpen();
    this.#end(row, record.timeNs);
    if (isBrief) this.#shorten(row);
    this.#byId.delete(record.id);
    this.#rememberEnd(record, row.absoluteCounters());
  }

  /** A connection that came and went between two refreshes needs no row of its own. */
  #shorten(row: Row): void {
    if (row.phase.kind !== "closing") return;
    this.#closed.pop();
    this.#fresh.delete(row);
    this.#brief.add(row.render(row.phase, 0), row.inode);
    row.advance({ kind: "shown" });
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
  refresh(nowNs: number, kernelLosses: RecordedLosses): Snapshot {
    const intervalS = Math.max(0, nowNs - this.#refreshedNs) / 1e9;
    const totalsBefore = { ...this.#totals };
    this.#refreshedNs = nowNs;
    this.#hasRefreshed = true;
    this.#met = null;
    this.#endIdleUdp(nowNs);
    if ((kernelLosses.flowsUntracked ?? 0) > 0) this.#dropUnmet(nowNs);
    this.#closedFlows.age(nowNs);
    this.#settlePresumed(nowNs);
    const { listed, unlisted } = this.#brief.divide(MOST_BRIEF_ROWS, intervalS);
    const { opened, updated } = this.#render(intervalS, listed);
    const snapshot: Snapshot = {
      timeNs: nowNs,
      intervalS,
      connections: this.#connections,
      opened,
      updated,
      closed: [...viewsOf(this.#closed), ...listed],
      unlisted,
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

  /**
   * Brings views, totals and counts up to date; returns the views that opened, in the order of first sight, and
   * those that count as updated. `brief`: what came and went meanwhile, in that order too.
   */
  #render(intervalS: number, brief: readonly Connection[]): { opened: Connection[]; updated: Connection[] } {
    const opened: Connection[] = [];
    const updated: Connection[] = [];
    const hasNews = this.#queue.length + this.#fresh.size + this.#leaving.length > 0;
    if (!hasNews && brief.length === 0 && !this.#showsBrief) return { opened, updated };
    this.#removeLeaving();
    for (const row of this.#queue) {
      row.isQueued = false;
      const { view: before, isChanged } = row;
      if (row.phase.kind === "gone" || before === null) continue;
      const view = row.render(row.phase, intervalS);
      this.#views[row.index] = view;
      this.#count(before, view);
      const hasOtherRate = before.rateIn !== view.rateIn || before.rateOut !== view.rateOut;
      if (view.phase.kind === "live" && (isChanged || hasOtherRate)) updated.push(view);
    }
    const olderRows = this.#views.length;
    let next = 0;
    const addBriefUpTo = (key: number) => {
      for (let flow = brief[next]; flow !== undefined && flow.key < key; flow = brief[next]) {
        opened.push(flow);
        next++;
      }
    };
    for (const row of this.#fresh) {
      if (row.phase.kind === "gone") continue;
      if (row.key > 0) addBriefUpTo(row.key);
      const view = row.render(row.phase, intervalS);
      row.index = this.#rows.push(row) - 1;
      this.#views.push(view);
      this.#count(null, view);
      opened.push(view);
    }
    addBriefUpTo(Number.POSITIVE_INFINITY);
    this.#addGrowth(ZERO, this.#brief.counters);
    this.#showsBrief = brief.length > 0;
    this.#connections = [...this.#views.slice(0, olderRows), ...opened];
    return { opened, updated };
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

  /** Takes a row's growth into the totals and its state into the counts. */
  #count(before: Connection | null, view: Connection): void {
    this.#addGrowth(before ?? ZERO, view);
    const isCounted = view.phase.kind !== "closing";
    if (before !== null && isCounted && before.state === view.state) return;
    if (before !== null) this.#countOne(before, -1);
    if (isCounted) this.#countOne(view, 1);
  }

  #countOne({ protocol, state }: Connection, change: 1 | -1): void {
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
    const shown = [...this.#queue, ...this.#fresh];
    this.#leaving = this.#closed;
    this.#queue = [];
    this.#fresh = new Set();
    this.#brief = new BriefFlows();
    this.#closed = [];
    for (const row of shown) {
      const wasNew = row.phase.kind === "new";
      row.advance({ kind: "shown" });
      if (row.phase.kind !== "live") continue;
      if (wasNew || row.view?.rateIn !== 0 || row.view.rateOut !== 0) this.#enqueue(row);
    }
  }
}

class MetRow implements MetFlow {
  readonly row: Row;

  constructor(row: Row) {
    this.row = row;
  }

  get tuple(): string | null {
    return this.row.tuple;
  }

  get inode(): number {
    return this.row.inode;
  }
}
