/** Connections that came and went between two refreshes, in little memory: a flood has a hundred thousand of them. */
import { type Connection, type Owner, TCP_STATES } from "../connection.ts";
import type { ConnectionList } from "../snapshot.ts";
import { type Counters, perSecond, sum, ZERO } from "./counters.ts";

const BLOCK_FLOWS = 4096;

/** Numbers of a flow; NaN: unknown. */
const N = {
  ...{ key: 0, openedNs: 1, closedNs: 2, activeNs: 3, stateSinceNs: 4 },
  ...{ bytesIn: 5, bytesOut: 6, packetsIn: 7, packetsOut: 8 },
  ...{ srttUs: 9, rttvarUs: 10, minRttUs: 11, retransmits: 12, bytesRetrans: 13, sndCwnd: 14 },
} as const;
const NUMBERS = 15;

const SMALL = { netns: 0, ports: 1, inode: 2, bits: 3 } as const;
const SMALLS = 4;

const Bit = { udp: 16, partial: 32, shared: 64, assumed: 128, tcp: 256 } as const;
const STATE_MASK = 15;

class Block {
  readonly numbers = new Float64Array(BLOCK_FLOWS * NUMBERS);
  readonly smalls = new Uint32Array(BLOCK_FLOWS * SMALLS);
  readonly localAddresses: string[] = [];
  readonly remoteAddresses: string[] = [];
  readonly owners: (Owner | null)[] = [];
}

function known(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

export class BriefFlows {
  readonly #blocks: Block[] = [];
  #size = 0;
  #counters: Counters = ZERO;

  get size(): number {
    return this.#size;
  }

  /** Sums over all. */
  get counters(): Counters {
    return this.#counters;
  }

  /** `connection` is over. `inode`: its socket's. */
  add(connection: Connection, inode: number): void {
    const place = this.#size++ % BLOCK_FLOWS;
    if (place === 0) this.#blocks.push(new Block());
    const block = this.#blocks.at(-1);
    if (block === undefined) return;
    const { phase, local, remote, tcp } = connection;
    this.#counters = sum(this.#counters, connection);
    const numbers = block.numbers.subarray(place * NUMBERS, (place + 1) * NUMBERS);
    numbers.fill(Number.NaN);
    numbers[N.key] = connection.key;
    numbers[N.openedNs] = connection.openedNs;
    if (phase.kind === "closing") numbers[N.closedNs] = phase.closedNs;
    if (connection.activeNs !== null) numbers[N.activeNs] = connection.activeNs;
    if (connection.stateSinceNs !== null) numbers[N.stateSinceNs] = connection.stateSinceNs;
    numbers[N.bytesIn] = connection.bytesIn;
    numbers[N.bytesOut] = connection.bytesOut;
    numbers[N.packetsIn] = connection.packetsIn;
    numbers[N.packetsOut] = connection.packetsOut;
    if (tcp !== null) {
      numbers[N.srttUs] = tcp.srttUs ?? Number.NaN;
      numbers[N.rttvarUs] = tcp.rttvarUs ?? Number.NaN;
      numbers[N.minRttUs] = tcp.minRttUs ?? Number.NaN;
      numbers[N.retransmits] = tcp.retransmits;
      numbers[N.bytesRetrans] = tcp.bytesRetrans;
      numbers[N.sndCwnd] = tcp.sndCwnd ?? Number.NaN;
    }
    block.smalls.set(
      [connection.netns, local.port * 0x1_0000 + remote.port, inode, bitsOf(connection)],
      place * SMALLS,
    );
    block.localAddresses.push(local.address);
    block.remoteAddresses.push(remote.address);
    block.owners.push(connection.owner);
  }

  inodeAt(index: number): number {
    return (
      this.#blocks[Math.floor(index / BLOCK_FLOWS)]?.smalls[(index % BLOCK_FLOWS) * SMALLS + SMALL.inode] ?? 0
    );
  }

  /** As it was added; its rates are over `intervalS` seconds. */
  at(index: number, intervalS: number): Connection {
    const block = this.#blocks[Math.floor(index / BLOCK_FLOWS)];
    if (block === undefined || index >= this.#size) throw new RangeError(`no flow ${index}`);
    const place = index % BLOCK_FLOWS;
    const number = (field: number) => block.numbers[place * NUMBERS + field] ?? 0;
    const small = (field: number) => block.smalls[place * SMALLS + field] ?? 0;
    const bits = small(SMALL.bits);
    const ports = small(SMALL.ports);
    const isUdp = (bits & Bit.udp) !== 0;
    return {
      key: number(N.key),
      protocol: isUdp ? "udp" : "tcp",
      local: { address: block.localAddresses[place] ?? "", port: ports >>> 16 },
      remote: { address: block.remoteAddresses[place] ?? "", port: ports & 0xffff },
      netns: small(SMALL.netns),
      owner: block.owners[place] ?? null,
      shared: (bits & Bit.shared) !== 0,
      assumed: (bits & Bit.assumed) !== 0,
      state: TCP_STATES[bits & STATE_MASK] ?? null,
      stateSinceNs: known(number(N.stateSinceNs)),
      phase: { kind: "closing", closedNs: number(N.closedNs) },
      partial: (bits & Bit.partial) !== 0,
      openedNs: number(N.openedNs),
      activeNs: known(number(N.activeNs)),
      bytesIn: number(N.bytesIn),
      bytesOut: number(N.bytesOut),
      packetsIn: number(N.packetsIn),
      packetsOut: number(N.packetsOut),
      rateIn: perSecond(number(N.bytesIn), intervalS),
      rateOut: perSecond(number(N.bytesOut), intervalS),
      tcp:
        (bits & Bit.tcp) === 0
          ? null
          : {
              srttUs: known(number(N.srttUs)),
              rttvarUs: known(number(N.rttvarUs)),
              minRttUs: known(number(N.minRttUs)),
              retransmits: number(N.retransmits),
              bytesRetrans: number(N.bytesRetrans),
              sndCwnd: known(number(N.sndCwnd)),
            },
    };
  }

  /** The `most` flows that moved the most bytes, in the order of first sight, and all others in theirs of the end. */
  divide(most: number, intervalS: number): { listed: Connection[]; unlisted: ConnectionList } {
    const isListed = this.#largest(most);
    const listed: Connection[] = [];
    for (let i = 0; i < this.#size; i++) if (isListed[i] === 1) listed.push(this.at(i, intervalS));
    listed.sort((a, b) => a.key - b.key);
    const flows = this;
    const unlisted = {
      size: this.#size - listed.length,
      *[Symbol.iterator]() {
        for (let i = 0; i < isListed.length; i++) if (isListed[i] === 0) yield flows.at(i, intervalS);
      },
    };
    return { listed, unlisted };
  }

  /** Marks at most `most` of them. */
  #largest(most: number): Uint8Array {
    const marks = new Uint8Array(this.#size);
    if (this.#size <= most) return marks.fill(1);
    const bytes = Float64Array.from({ length: this.#size }, (_, i) => this.#bytesAt(i));
    const least = bytes.slice().sort()[this.#size - most] ?? 0;
    let left = most;
    for (let i = 0; i < bytes.length; i++) {
      if ((bytes[i] ?? 0) <= least) continue;
      marks[i] = 1;
      left--;
    }
    for (let i = 0; i < bytes.length && left > 0; i++) {
      if (bytes[i] !== least) continue;
      marks[i] = 1;
      left--;
    }
    return marks;
  }

  #bytesAt(index: number): number {
    const numbers = this.#blocks[Math.floor(index / BLOCK_FLOWS)]?.numbers;
    const from = (index % BLOCK_FLOWS) * NUMBERS;
    return (numbers?.[from + N.bytesIn] ?? 0) + (numbers?.[from + N.bytesOut] ?? 0);
  }
}

function bitsOf({ protocol, state, partial, shared, assumed, tcp }: Connection): number {
  return (
    TCP_STATES.indexOf(state) |
    (protocol === "udp" ? Bit.udp : 0) |
    (partial ? Bit.partial : 0) |
    (shared ? Bit.shared : 0) |
    (assumed ? Bit.assumed : 0) |
    (tcp === null ? 0 : Bit.tcp)
  );
}
