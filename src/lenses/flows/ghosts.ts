/** Ends connections whose end was never reported. A live connection never ends here. */
import type { Clock } from "../../base/clock.ts";
import type { UnmetFlow } from "./model/aggregator.ts";
import { tupleText } from "./model/row.ts";
import type { FlowOperation } from "./operation.ts";
import type { SeedEntry } from "./record.ts";
import type { FlowSource, TakeRecords } from "./source.ts";

/** Sweeps of everything after a close was lost. A table that changes meanwhile may hide an entry from one of them. */
const FULL_SWEEPS = 2;

/** The largest share of the time that reading /proc/net may take. */
const CHECK_SHARE = 0.05;
const LEAST_CHECK_INTERVAL_NS = 1e9;

/** Whether /proc/net lists the socket of a row; 0: it had no inode. */
function isListed(inodes: ReadonlySet<number> | undefined, inode: number): boolean {
  return inodes !== undefined && (inode === 0 || inodes.has(0) || inodes.has(inode));
}

function inodesByTuple(entries: readonly SeedEntry[]): ReadonlyMap<string, ReadonlySet<number>> {
  const byTuple = new Map<string, Set<number>>();
  for (const { proto, netns, localAddress, localPort, remoteAddress, remotePort, inode } of entries) {
    const local = { address: localAddress, port: localPort };
    const tuple = tupleText(proto, netns, local, { address: remoteAddress, port: remotePort });
    if (tuple === null) continue;
    const inodes = byTuple.get(tuple) ?? new Set();
    byTuple.set(tuple, inodes.add(inode));
  }
  return byTuple;
}

/**
 * Two kinds of connections can end unseen. A connection whose close was lost is missing in a sweep that reports every
 * connection. A connection that is known from /proc alone, such as a connect that failed, is missing in /proc/net.
 * A connection ends here when it is missing twice.
 */
export class Ghosts {
  readonly #source: FlowSource;
  readonly #unmet: () => UnmetFlow[];
  readonly #take: (operation: FlowOperation) => void;
  readonly #clock: Clock;
  /** Lost closes that are dealt with. */
  #closesLost = 0;
  #fullSweepsLeft = 0;
  /** When the first of these sweeps began, CLOCK_MONOTONIC. */
  #sweptSinceNs = 0;
  #isChecking = false;
  #nextCheckNs = 0;
  /** Keys of the rows that were missing in the check before. */
  #missing: ReadonlySet<number> = new Set();

  /** `unmet`: the connections that are known from /proc alone; `take` gets what ends others. */
  constructor(
    source: FlowSource,
    unmet: () => UnmetFlow[],
    take: (operation: FlowOperation) => void,
    clock: Clock,
  ) {
    this.#source = source;
    this.#unmet = unmet;
    this.#take = take;
    this.#clock = clock;
  }

  /** The sweep of a refresh. */
  sweep(take: TakeRecords): void {
    if (this.#fullSweepsLeft === 0) {
      this.#source.sweep(take);
      return;
    }
    const nowNs = this.#clock.monotonicNs();
    if (this.#fullSweepsLeft === FULL_SWEEPS) this.#sweptSinceNs = nowNs;
    this.#source.sweepAll(take);
    // Connections that closed during the sweep.
    this.#source.drain(take);
    if (--this.#fullSweepsLeft > 0) return;
    this.#take({ kind: "silent", sinceNs: this.#sweptSinceNs, nowNs });
  }

  /** Takes in the losses of a refresh, and checks the rows that the kernel side does not have. */
  refreshed(closesLost: number): void {
    if (this.#fullSweepsLeft === 0 && closesLost > this.#closesLost) {
      this.#closesLost = closesLost;
      this.#fullSweepsLeft = FULL_SWEEPS;
    }
    const startNs = this.#clock.monotonicNs();
    if (this.#isChecking || startNs < this.#nextCheckNs) return;
    const unmet = this.#unmet().filter(({ protocol }) => protocol === "tcp");
    if (unmet.length === 0) return;
    this.#isChecking = true;
    this.#source
      .connections(new Set(unmet.map(({ netns }) => netns)))
      .then((entries) => {
        if (entries !== null) this.#endMissing(inodesByTuple(entries));
      })
      .catch(() => {
        // The next check tries again.
      })
      .finally(() => {
        const endNs = this.#clock.monotonicNs();
        this.#nextCheckNs = endNs + Math.max(LEAST_CHECK_INTERVAL_NS, (endNs - startNs) / CHECK_SHARE);
        this.#isChecking = false;
      });
  }

  #endMissing(listed: ReadonlyMap<string, ReadonlySet<number>>): void {
    const missing = this.#unmet()
      .filter(({ protocol, tuple, inode }) => {
        return protocol === "tcp" && tuple !== null && !isListed(listed.get(tuple), inode);
      })
      .map(({ key }) => key);
    const gone = missing.filter((key) => this.#missing.has(key));
    this.#missing = new Set(missing);
    if (gone.length === 0) return;
    this.#take({ kind: "unmet", keys: gone, nowNs: this.#clock.monotonicNs() });
  }
}
