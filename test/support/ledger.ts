/** Follows the snapshots of an aggregator and checks what must hold for any history. */
import assert from "node:assert/strict";
import type { Connection } from "../../src/lenses/flows/connection.ts";
import type { Snapshot } from "../../src/lenses/flows/snapshot.ts";

const COUNTERS = ["bytesIn", "bytesOut", "packetsIn", "packetsOut"] as const;
export type Counts = Record<(typeof COUNTERS)[number], number>;

export function sumOf(all: readonly Counts[]): Counts {
  const add = (name: keyof Counts): number => all.reduce((total, counts) => total + counts[name], 0);
  return {
    bytesIn: add("bytesIn"),
    bytesOut: add("bytesOut"),
    packetsIn: add("packetsIn"),
    packetsOut: add("packetsOut"),
  };
}

function keysOf(rows: readonly Connection[]): number[] {
  return rows.map(({ key }) => key);
}

function assertGrown(before: Counts, now: Counts): void {
  for (const name of COUNTERS) assert.ok(now[name] >= before[name], `${name} fell to ${now[name]}`);
}

export class Ledger {
  /** The last view of every row there was. */
  readonly latest = new Map<number, Connection>();
  readonly closed = new Map<number, Connection>();
  readonly #mayFall: (row: Connection) => boolean;
  #totals = sumOf([]);

  /** `mayFall`: rows of which something that was counted may be taken back; none unless given. */
  constructor(mayFall: (row: Connection) => boolean = () => false) {
    this.#mayFall = mayFall;
  }

  read(snapshot: Snapshot): void {
    this.#checkRows(snapshot);
    this.#checkSums(snapshot);
  }

  #checkRows(snapshot: Snapshot): void {
    const { connections } = snapshot;
    const before = [...this.latest.keys()].filter((key) => !this.closed.has(key));
    const opened = keysOf(snapshot.opened);
    const closed = keysOf(snapshot.closed);
    for (const key of opened) assert.ok(!this.latest.has(key), `${key} opened twice`);
    assert.deepEqual(keysOf(connections), [...new Set([...before, ...opened])]);
    assert.equal(connections.length, before.length + opened.length);
    const shown = new Set(connections);
    for (const row of [...snapshot.opened, ...snapshot.updated, ...snapshot.closed]) {
      assert.ok(shown.has(row), `${row.key} is told of and not shown`);
    }
    for (const row of connections) {
      if (!this.#mayFall(row)) assertGrown(this.latest.get(row.key) ?? sumOf([]), row);
      this.latest.set(row.key, row);
    }
    for (const row of snapshot.closed) {
      assert.ok(!this.closed.has(row.key), `${row.key} closed twice`);
      this.closed.set(row.key, row);
    }
    const closing = connections.filter(({ phase }) => phase.kind === "closing");
    assert.deepEqual(new Set(keysOf(closing)), new Set(closed));
    for (const { key } of snapshot.updated) assert.ok(!opened.includes(key) && !closed.includes(key));
  }

  #checkSums({ connections, totals, counts }: Snapshot): void {
    const sum = sumOf([...this.latest.values()]);
    for (const name of COUNTERS) assert.equal(totals[name], sum[name], name);
    if (!connections.some(this.#mayFall)) assertGrown(this.#totals, totals);
    this.#totals = sum;
    assert.ok(totals.rateIn >= 0 && totals.rateOut >= 0);
    assert.ok(connections.every(({ rateIn, rateOut }) => rateIn >= 0 && rateOut >= 0));
    const open = connections.filter(({ phase }) => phase.kind !== "closing");
    assert.equal(counts.tcp, open.filter(({ protocol }) => protocol === "tcp").length);
    assert.equal(counts.udp, open.filter(({ protocol }) => protocol === "udp").length);
    const states = new Map<string, number>();
    for (const { state } of open) if (state !== null) states.set(state, (states.get(state) ?? 0) + 1);
    assert.deepEqual(new Map([...counts.byState].sort()), new Map([...states].sort()));
  }
}
