/** The state machine of processes: records in any order in, snapshots out. */
import { IS_LITTLE_ENDIAN } from "../../base/field-reader.ts";
import type { Model } from "../../core/lens.ts";
import type { ProcessId } from "../../core/process.ts";
import { decodeRecords } from "./decode.ts";
import { Entry } from "./entry.ts";
import type { Losses } from "./losses.ts";
import type { ProcessOperation } from "./operation.ts";
import type { Ancestry, OpenedFile, ProcessEvent, ProcessEventName } from "./process.ts";
import { type FileRecord, Flag, type ProcessRecord, RecordKind, type RecordTaker } from "./record.ts";
import type { Known, Snapshot } from "./snapshot.ts";
import { unitOf } from "./unit.ts";

/** A process that has ended is kept this long: records of its connections may come later than its end. */
const KEPT_NS = 10e9;

/** The most ended processes that are kept. */
const MOST_ENDED = 65_536;

/** The most control groups whose paths are kept. */
const MOST_CGROUPS = 16_384;

/** A refresh comes early behind so many events. */
const CROWD = 50_000;

/** The most processes of an ancestry. */
const MOST_ANCESTORS = 64;

function nameOf(pid: number, startNs: number): string {
  return `${pid} ${startNs}`;
}

export interface ModelOptions {
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  readonly mostEnded?: number;
  /** The byte order of the records. */
  readonly isLittleEndian?: boolean;
}

export class ProcessModel implements Model<ProcessOperation, Losses, Snapshot>, RecordTaker {
  readonly #mostEnded: number;
  readonly #isLittleEndian: boolean;
  readonly #entries = new Map<string, Entry>();
  readonly #byKey = new Map<number, Entry>();
  /** Ended ones and unmet parents, in the order of their ends. */
  readonly #ended = new Set<Entry>();
  readonly #cgroups = new Map<bigint, string>();
  #events: ProcessEvent[] = [];
  #eventNumber = 0;
  #lastKey = 0;
  #invalid = 0;
  #forgotten = 0;
  readonly #startNs: number;
  #refreshedNs: number;
  /** Ended since the refresh before. */
  #justEnded: Entry[] = [];

  constructor({ startNs, mostEnded = MOST_ENDED, isLittleEndian = IS_LITTLE_ENDIAN }: ModelOptions) {
    this.#isLittleEndian = isLittleEndian;
    this.#startNs = startNs;
    this.#refreshedNs = startNs;
    this.#mostEnded = mostEnded;
  }

  get size(): number {
    return this.#entries.size;
  }

  get isCrowded(): boolean {
    return this.#events.length > CROWD;
  }

  /** Records that could not be understood, so far. */
  get recordsInvalid(): number {
    return this.#invalid;
  }

  /** Ended ancestors that were forgotten, so far. */
  get ancestorsForgotten(): number {
    return this.#forgotten;
  }

  /** Living processes of which no arguments are known and no exec was seen. */
  *unread(): Generator<ProcessId> {
    for (const entry of this.#entries.values()) {
      if (entry.isAlive && entry.execNs === null && entry.beganNs < this.#startNs)
        yield { pid: entry.pid, startNs: entry.startNs };
    }
  }

  apply(operation: ProcessOperation): void {
    switch (operation.kind) {
      case "records": {
        const dropped = decodeRecords(operation.bytes, this, this.#isLittleEndian);
        this.#invalid += dropped;
        break;
      }
      case "arguments":
        this.#entries
          .get(nameOf(operation.pid, operation.startNs))
          ?.readArguments(operation.words, operation.isCut);
        break;
      case "silent":
        this.#silence(operation.sinceNs, operation.nowNs);
        break;
    }
  }

  process(record: ProcessRecord): void {
    const entry = this.#enter(record.pid, record.startNs);
    const wasMet = entry.isMet;
    switch (record.kind) {
      case RecordKind.fork:
        if (entry.bornNs !== null) return;
        this.#meet(entry, record);
        entry.bornNs = record.timeNs;
        this.#descend(entry, record);
        if (!wasMet && (record.flags & Flag.bySibling) === 0 && entry.parent !== null)
          entry.inherit(entry.parent);
        this.#tell("fork", record.timeNs, entry);
        break;
      case RecordKind.exec:
        if (entry.execNs !== null && entry.execNs >= record.timeNs) return;
        this.#meet(entry, record);
        if (!wasMet) this.#descend(entry, record);
        entry.execNs = record.timeNs;
        entry.run(record);
        this.#tell("exec", record.timeNs, entry);
        break;
      case RecordKind.exit:
        if (entry.hasStatus) return;
        this.#exit(entry, record, wasMet);
        break;
      case RecordKind.found:
        if (entry.endedNs !== null) return;
        this.#meet(entry, record);
        if (!wasMet) this.#descend(entry, record);
        entry.found(record);
        break;
    }
  }

  cgroup(id: bigint, path: string): void {
    if (this.#cgroups.size >= MOST_CGROUPS && !this.#cgroups.has(id)) {
      const [oldest] = this.#cgroups.keys();
      if (oldest !== undefined) this.#cgroups.delete(oldest);
    }
    this.#cgroups.set(id, path);
    for (const entry of this.#entries.values()) if (entry.cgroupId === id) this.#name(entry);
  }

  file(record: FileRecord): void {
    const entry = this.#entries.get(nameOf(record.pid, record.startNs));
    if (entry?.isMet !== true) {
      // Its begin is older than the capture and no walk has met it, or it is lost: there is nothing to show it with.
      this.#invalid++;
      return;
    }
    const { path, isCut, openFlags, result } = record;
    this.#tell("file", record.timeNs, entry, { path, isPathCut: isCut, flags: openFlags, result });
  }

  refresh(nowNs: number, losses: Losses): Snapshot {
    const sinceNs = this.#refreshedNs;
    const intervalNs = nowNs - sinceNs;
    const shown: Entry[] = [];
    for (const entry of this.#entries.values()) if (entry.isAlive) shown.push(entry);
    shown.push(...this.#justEnded);
    shown.sort((a, b) => a.key - b.key);
    for (const entry of shown) this.#share(entry, intervalNs);
    const keys = new Set(shown.map(({ key }) => key));
    const processes = shown.map((entry) => entry.show(this.#startNs, sinceNs));
    const events = this.#events.sort((a, b) => a.timeNs - b.timeNs || a.number - b.number);
    this.#events = [];
    this.#justEnded = [];
    this.#refreshedNs = nowNs;
    this.#forget(nowNs);
    return {
      timeNs: nowNs,
      intervalS: intervalNs / 1e9,
      processes,
      events,
      losses,
      find: ({ pid, startNs }) => (startNs === null ? null : this.#find(pid, startNs)),
      parentOf: (key) => this.#shownParent(key, keys),
    };
  }

  #meet(entry: Entry, record: ProcessRecord): void {
    entry.meet(record);
    if (entry.endedNs === null) this.#ended.delete(entry);
    this.#name(entry);
  }

  /** Processor time since the refresh before, as a share of one processor. */
  #share(entry: Entry, intervalNs: number): void {
    const before = entry.cpuBeforeNs ?? (entry.beganNs < this.#startNs ? entry.cpuNs : 0);
    const share = intervalNs > 0 ? (entry.cpuNs - before) / intervalNs : 0;
    entry.cpuBeforeNs = entry.cpuNs;
    if (share === entry.cpuShare) return;
    entry.cpuShare = share;
    entry.touch();
  }

  #exit(entry: Entry, record: ProcessRecord, wasMet: boolean): void {
    const hadEnded = entry.endedNs !== null;
    this.#meet(entry, record);
    if (!wasMet) this.#descend(entry, record);
    entry.end(record);
    if (hadEnded) return;
    this.#over(entry);
    this.#tell("exit", record.timeNs, entry);
  }

  #over(entry: Entry): void {
    this.#ended.add(entry);
    this.#justEnded.push(entry);
  }

  #silence(sinceNs: number, nowNs: number): void {
    for (const entry of this.#entries.values()) {
      if (!entry.isAlive || entry.seenNs >= sinceNs) continue;
      entry.vanish(nowNs);
      this.#over(entry);
      this.#tell("exit", nowNs, entry);
    }
  }

  #tell(event: ProcessEventName, timeNs: number, entry: Entry, file: OpenedFile | null = null): void {
    const process = entry.show(this.#startNs, this.#refreshedNs);
    const ancestry = this.#ancestry(entry);
    this.#events.push({ number: this.#eventNumber++, event, timeNs, process, ancestry, file });
  }

  /** The entry of a process; a new one is of a process that nothing but its identity is known of. */
  #enter(pid: number, startNs: number): Entry {
    const name = nameOf(pid, startNs);
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry = new Entry(++this.#lastKey, pid, startNs);
    this.#entries.set(name, entry);
    this.#byKey.set(entry.key, entry);
    this.#ended.add(entry);
    return entry;
  }

  /** Puts an entry under its parent, once. */
  #descend(entry: Entry, { ppid, parentStartNs }: ProcessRecord): void {
    if (entry.parent !== null || ppid === 0) return;
    const parent = this.#enter(ppid, parentStartNs);
    // Times of two processes never make a circle; what was recorded by hand might.
    if (parent === entry || this.#chain(parent).includes(entry)) return;
    entry.parent = parent;
    parent.children.add(entry);
  }

  #name(entry: Entry): void {
    const path = this.#cgroups.get(entry.cgroupId) ?? null;
    if (path === entry.cgroupPath) return;
    entry.cgroupPath = path;
    entry.unit = path === null ? null : unitOf(path);
    entry.touch();
  }

  /** From an entry upwards. */
  #chain(entry: Entry): Entry[] {
    const chain: Entry[] = [];
    for (let at: Entry | null = entry; at !== null && chain.length < MOST_ANCESTORS; at = at.parent)
      chain.push(at);
    return chain;
  }

  #find(pid: number, startNs: number): Known | null {
    const entry = this.#entries.get(nameOf(pid, startNs));
    if (entry?.isMet !== true) return null;
    return { process: entry.show(this.#startNs, this.#refreshedNs), ancestry: this.#ancestry(entry) };
  }

  #ancestry(entry: Entry): Ancestry {
    const chain = this.#chain(entry).filter(({ isMet }) => isMet);
    return chain.reverse().map(({ pid, name }) => ({ pid, name }));
  }

  #shownParent(key: number, shown: ReadonlySet<number>): number | null {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return null;
    return this.#chain(entry).find((above) => above !== entry && shown.has(above.key))?.key ?? null;
  }

  /** Forgets processes that ended a while ago. Those with living descendants stay, as long as there is room. */
  #forget(nowNs: number): void {
    const spare: Entry[] = [];
    for (const entry of this.#ended) {
      if (entry.children.size === 0 && nowNs - (entry.endedNs ?? 0) > KEPT_NS) spare.push(entry);
    }
    for (const entry of spare) this.#drop(entry);
    for (const entry of this.#ended) {
      if (this.#ended.size <= this.#mostEnded) break;
      if (entry.children.size > 0) this.#forgotten++;
      this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    this.#entries.delete(nameOf(entry.pid, entry.startNs));
    this.#byKey.delete(entry.key);
    this.#ended.delete(entry);
    for (const child of entry.children) child.parent = null;
    entry.parent?.children.delete(entry);
  }
}
