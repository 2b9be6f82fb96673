/** One row while it lives: what the records so far say of a flow, and the view of it that was shown last. */
import type { Endpoint } from "../../../base/address.ts";
import {
  type Connection,
  type Owner,
  type Phase,
  type Protocol,
  TCP_STATES,
  type TcpMetrics,
  type TcpState,
} from "../connection.ts";
import { type FlowRecord, IPPROTO_UDP, RecordFlag, RecordKind, type SeedEntry } from "../record.ts";
import { type Counters, perSecond, sum, ZERO } from "./counters.ts";
import { NEW, nextPhase, type PhaseEvent, type RowPhase } from "./phase.ts";

/** Tells flows apart by address; null while a connect has no port yet. */
export function tupleText(proto: number, netns: number, local: Endpoint, remote: Endpoint): string | null {
  if (local.port === 0 || remote.port === 0) return null;
  return `${proto} ${netns} ${local.address} ${local.port} ${remote.address} ${remote.port}`;
}

/** The owner a record names; `before` when it is the same, or when the record knows none. */
function ownerOf(record: FlowRecord, before: Owner | null): Owner | null {
  if ((record.flags & RecordFlag.owned) === 0) return before;
  const { pid, uid } = record;
  const process = record.process();
  const cgroupId = record.cgroupId === 0n ? null : record.cgroupId;
  const startNs = record.processStartNs === 0 ? null : record.processStartNs;
  const isSame =
    before?.pid === pid &&
    before.startNs === startNs &&
    before.uid === uid &&
    before.process === process &&
    before.cgroupId === cgroupId;
  return isSame ? before : { pid, process, uid, cgroupId, startNs };
}

/** A record's measurements; `before` when they are the same. Counters never shrink. */
function metricsOf(record: FlowRecord, before: TcpMetrics | null): TcpMetrics {
  const isTimed = (record.flags & RecordFlag.timed) !== 0;
  const srttUs = isTimed ? record.srttUs : null;
  const rttvarUs = isTimed ? record.rttvarUs : null;
  const sndCwnd = isTimed ? record.sndCwnd : null;
  const minRttUs = (record.flags & RecordFlag.minRtt) !== 0 ? record.minRttUs : null;
  const retransmits = Math.max(record.retransmits, before?.retransmits ?? 0);
  const bytesRetrans = Math.max(record.bytesRetrans, before?.bytesRetrans ?? 0);
  const isSame =
    before?.srttUs === srttUs &&
    before.rttvarUs === rttvarUs &&
    before.minRttUs === minRttUs &&
    before.sndCwnd === sndCwnd &&
    before.retransmits === retransmits &&
    before.bytesRetrans === bytesRetrans;
  return isSame ? before : { srttUs, rttvarUs, minRttUs, retransmits, bytesRetrans, sndCwnd };
}

/** `before` when it is the same. */
function endpointOf(address: string, port: number, before: Endpoint): Endpoint {
  return before.address === address && before.port === port ? before : { address, port };
}

const NOWHERE: Endpoint = { address: "::", port: 0 };

export class Row implements Counters {
  readonly key: number;
  readonly protocol: Protocol;
  /** The kernel's id; null while the flow is known from /proc alone. */
  id: bigint | null = null;
  /** The socket's; 0 while it has none or it is not known. */
  inode = 0;
  phase: RowPhase = NEW;
  bytesIn = 0;
  bytesOut = 0;
  packetsIn = 0;
  packetsOut = 0;
  openedNs: number;
  /** Differs from `view`, apart from phase and rates. */
  isChanged = true;
  /** Whether the next refresh brings the row up to date. */
  isQueued = false;
  /** Its place among the shown rows, -1 before it is shown. */
  index = -1;
  /** As shown last. */
  view: Connection | null = null;
  readonly #proto: number;
  readonly netns: number;
  /** What earlier rows of the same flow have shown of the record's counters. */
  readonly #base: Counters;
  readonly #isSeeded: boolean;
  #isPartial: boolean;
  #local = NOWHERE;
  #remote = NOWHERE;
  #owner: Owner | null = null;
  #isShared = false;
  #isAssumed = false;
  #state: TcpState | null = null;
  /** Time of the record with the change to this state; null for one that is older than the capture. */
  #stateSinceNs: number | null = null;
  #tcp: TcpMetrics | null = null;
  #activeNs: number | null = null;
  /** Time of the record that the descriptive fields are from, the newest one; below zero before the first. */
  heardNs = -1;
  /** Time of the sweep whose counters these are; UDP only. */
  #sweptNs = -1;

  private constructor(
    key: number,
    flow: FlowRecord | SeedEntry,
    birth: { readonly openedNs: number; readonly base: Counters; readonly isSeeded: boolean },
  ) {
    this.key = key;
    this.protocol = flow.proto === IPPROTO_UDP ? "udp" : "tcp";
    this.#proto = flow.proto;
    this.netns = flow.netns;
    this.openedNs = birth.openedNs;
    this.#base = birth.base;
    this.#isSeeded = birth.isSeeded;
    this.#isPartial = birth.isSeeded;
  }

  /** A row whose counters begin where those of earlier rows of the same flow ended. */
  static ofFlow(key: number, record: FlowRecord, base: Counters = ZERO): Row {
    const row = new Row(key, record, { openedNs: record.openedNs, base, isSeeded: false });
    row.id = record.id;
    row.inode = record.inode;
    row.#locate(record.localAddress(), record.localPort, record.remoteAddress(), record.remotePort);
    return row;
  }

  /** A flow of before the capture. */
  static ofSeed(key: number, entry: SeedEntry, openedNs: number): Row {
    return Row.#ofEntry(key, entry, openedNs, true);
  }

  /** A socket that carries no flow. `isOlder`: than the capture. */
  static ofSocket(key: number, entry: SeedEntry, openedNs: number, isOlder: boolean): Row {
    const row = Row.#ofEntry(key, entry, openedNs, false);
    row.#isPartial = isOlder;
    return row;
  }

  static #ofEntry(key: number, entry: SeedEntry, openedNs: number, isSeeded: boolean): Row {
    const row = new Row(key, entry, { openedNs, base: ZERO, isSeeded });
    row.inode = entry.inode;
    row.#locate(entry.localAddress, entry.localPort, entry.remoteAddress, entry.remotePort);
    row.describeSocket(entry);
    return row;
  }

  #locate(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): void {
    const local = endpointOf(localAddress, localPort, this.#local);
    const remote = endpointOf(remoteAddress, remotePort, this.#remote);
    if (local === this.#local && remote === this.#remote) return;
    this.#local = local;
    this.#remote = remote;
    this.isChanged = true;
  }

  /** Addresses in a form to compare; null while they are not known. */
  get tuple(): string | null {
    return this.hasTuple ? tupleText(this.#proto, this.netns, this.#local, this.#remote) : null;
  }

  get hasTuple(): boolean {
    return this.#local.port !== 0 && this.#remote.port !== 0;
  }

  isOpen(): boolean {
    return this.phase.kind === "new" || this.phase.kind === "live";
  }

  advance(event: PhaseEvent): void {
    this.phase = nextPhase(this.phase, event);
  }

  /** When the flow last showed a sign of life, CLOCK_MONOTONIC. */
  lastSeenNs(): number {
    return Math.max(this.openedNs, this.#activeNs ?? 0);
  }

  /** Counters in the record's terms. */
  absoluteCounters(): Counters {
    return sum(this.#base, this);
  }

  /** The flow of /proc has shown itself to the kernel side. */
  adopt(record: FlowRecord): void {
    this.id = record.id;
    this.openedNs = Math.min(this.openedNs, record.openedNs);
  }

  /**
   * Takes over what a record says: its counters by `#count`; everything else if nothing newer is
   * known, or if the record is the last word.
   */
  update(record: FlowRecord, isLastWord: boolean): void {
    this.#count(record);
    if (record.timeNs < this.heardNs && !isLastWord) return;
    this.heardNs = record.timeNs;
    if (record.inode !== 0) this.inode = record.inode;
    if (!this.hasTuple) {
      this.#locate(record.localAddress(), record.localPort, record.remoteAddress(), record.remotePort);
    }
    const isUdp = this.protocol === "udp";
    const owner = ownerOf(record, this.#owner);
    const isOwned = (record.flags & RecordFlag.owned) !== 0;
    const isShared = isOwned ? (record.flags & RecordFlag.shared) !== 0 : this.#isShared;
    const isAssumed = isOwned ? (record.flags & RecordFlag.assumed) !== 0 : this.#isAssumed;
    const state = isUdp ? null : (TCP_STATES[record.state] ?? null);
    const tcp = isUdp ? null : metricsOf(record, this.#tcp);
    const activeNs = Math.max(record.activeNs, this.#activeNs ?? 0) || null;
    const isPartial = (record.flags & RecordFlag.partial) !== 0 || (isUdp && this.#isSeeded);
    if (
      owner === this.#owner &&
      isShared === this.#isShared &&
      isAssumed === this.#isAssumed &&
      state === this.#state &&
      tcp === this.#tcp &&
      activeNs === this.#activeNs &&
      isPartial === this.#isPartial
    ) {
      return;
    }
    if (state !== this.#state) {
      const isOlder = this.#state === null && isPartial;
      this.#stateSinceNs = state === null || isOlder ? null : record.timeNs;
    }
    this.#owner = owner;
    this.#isShared = isShared;
    this.#isAssumed = isAssumed;
    this.#state = state;
    this.#tcp = tcp;
    this.#activeNs = activeNs;
    this.#isPartial = isPartial;
    this.isChanged = true;
  }

  /**
   * Streams only grow, so the larger of each counter is right. A datagram that was counted may turn out to have been
   * refused: of UDP a sweep is right where nothing newer is known, and an event of before the sweep is out of date.
   */
  #count(record: FlowRecord): void {
    const isUdp = this.protocol === "udp";
    const isSweep = record.kind === RecordKind.totals || record.kind === RecordKind.close;
    const isSwept = isUdp && isSweep && record.timeNs >= this.heardNs;
    if (isUdp && record.timeNs < this.#sweptNs) return;
    if (isSwept) this.#sweptNs = record.timeNs;
    const counted = (before: number, count: number, base: number) =>
      Math.max(isSwept ? 0 : before, count - base);
    const bytesIn = counted(this.bytesIn, record.bytesIn, this.#base.bytesIn);
    const bytesOut = counted(this.bytesOut, record.bytesOut, this.#base.bytesOut);
    const packetsIn = counted(this.packetsIn, record.packetsIn, this.#base.packetsIn);
    const packetsOut = counted(this.packetsOut, record.packetsOut, this.#base.packetsOut);
    if (
      bytesIn === this.bytesIn &&
      bytesOut === this.bytesOut &&
      packetsIn === this.packetsIn &&
      packetsOut === this.packetsOut
    ) {
      return;
    }
    this.bytesIn = bytesIn;
    this.bytesOut = bytesOut;
    this.packetsIn = packetsIn;
    this.packetsOut = packetsOut;
    this.isChanged = true;
  }

  /** Takes over state and owner from /proc. */
  describeSocket(entry: SeedEntry): void {
    const state = this.protocol === "udp" ? null : (TCP_STATES[entry.state] ?? null);
    if (state !== this.#state) {
      this.#state = state;
      this.isChanged = true;
    }
    this.nameOwner(entry.owner, this.#isSeeded);
  }

  /** Who has the socket open, for a row without an owner. A socket that carries no flow is its holder's. */
  nameOwner(owner: Owner | null, isAssumed: boolean): void {
    if (this.#owner !== null || owner === null) return;
    this.#owner = owner;
    this.#isAssumed = isAssumed;
    this.isChanged = true;
  }

  /** Makes the view of this refresh; rates are over `intervalS` seconds, the time since the one before. */
  render(phase: Phase, intervalS: number): Connection {
    const before = this.view ?? ZERO;
    this.view = {
      key: this.key,
      protocol: this.protocol,
      local: this.#local,
      remote: this.#remote,
      netns: this.netns,
      owner: this.#owner,
      shared: this.#isShared,
      assumed: this.#isAssumed,
      state: this.#state,
      stateSinceNs: this.#stateSinceNs,
      phase,
      partial: this.#isPartial,
      openedNs: this.openedNs,
      activeNs: this.#activeNs,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      packetsIn: this.packetsIn,
      packetsOut: this.packetsOut,
      rateIn: perSecond(this.bytesIn - before.bytesIn, intervalS),
      rateOut: perSecond(this.bytesOut - before.bytesOut, intervalS),
      tcp: this.#tcp,
    };
    this.isChanged = false;
    return this.view;
  }
}
