import fc from "fast-check";
import { expect, test } from "vitest";
import { Aggregator } from "../../../src/aggregate/aggregator.ts";
import type { Connection } from "../../../src/model/connection.ts";
import { IPPROTO_TCP, IPPROTO_UDP, RecordKind } from "../../../src/model/record.ts";
import type { Snapshot } from "../../../src/model/snapshot.ts";
import { makeRecord, NO_LOSSES, type RecordFields } from "../../support/records.ts";

const S = 1e9;
const COUNTERS = ["bytesIn", "bytesOut", "packetsIn", "packetsOut"] as const;
type Counts = Record<(typeof COUNTERS)[number], number>;

const sumOf = (all: readonly Counts[]): Counts => {
  const add = (name: keyof Counts): number => all.reduce((total, counts) => total + counts[name], 0);
  return {
    bytesIn: add("bytesIn"),
    bytesOut: add("bytesOut"),
    packetsIn: add("packetsIn"),
    packetsOut: add("packetsOut"),
  };
};

/** Follows snapshots and checks what must hold for any history. */
class Ledger {
  readonly latest = new Map<number, Connection>();
  readonly closed = new Map<number, Connection>();

  read(snapshot: Snapshot): void {
    const before = new Set([...this.latest.keys()].filter((key) => !this.closed.has(key)));
    const opened = snapshot.opened.map(({ key }) => key);
    const closed = snapshot.closed.map(({ key }) => key);
    for (const key of opened) expect(this.latest.has(key)).toBe(false);
    expect(new Set(opened).size).toBe(opened.length);
    expect(snapshot.connections.map(({ key }) => key)).toEqual([...before, ...opened]);
    for (const row of snapshot.connections) this.latest.set(row.key, row);
    for (const row of snapshot.closed) {
      expect(this.closed.has(row.key)).toBe(false);
      expect(snapshot.connections).toContain(row);
      this.closed.set(row.key, row);
    }
    const closing = snapshot.connections.filter(({ phase }) => phase.kind === "closing");
    expect(new Set(closing.map(({ key }) => key))).toEqual(new Set(closed));
    for (const row of snapshot.updated) {
      expect(snapshot.connections).toContain(row);
      expect([...opened, ...closed]).not.toContain(row.key);
    }
    expect(snapshot.totals).toMatchObject(sumOf([...this.latest.values()]));
    const open = snapshot.connections.filter(({ phase }) => phase.kind !== "closing");
    expect(snapshot.counts.tcp).toBe(open.filter(({ protocol }) => protocol === "tcp").length);
    expect(snapshot.counts.udp).toBe(open.filter(({ protocol }) => protocol === "udp").length);
    const inStates = [...snapshot.counts.byState.values()].reduce((a, b) => a + b, 0);
    expect(inStates).toBe(snapshot.counts.tcp);
  }
}

/** A record on its way: it arrives before refresh `window`, among the others of that window in order of `rank`. */
interface Delivery {
  readonly window: number;
  readonly rank: number;
  readonly fields: Partial<RecordFields>;
}

interface Step {
  readonly growth: Counts;
  readonly kind: number;
  readonly windowGap: number;
  readonly isLost: boolean;
  readonly copies: readonly { readonly delay: number; readonly rank: number }[];
}

const growth: fc.Arbitrary<Counts> = fc.record({
  bytesIn: fc.nat(1000),
  bytesOut: fc.nat(1000),
  packetsIn: fc.nat(3),
  packetsOut: fc.nat(3),
});

/** `maxDelay`: by how many refreshes a record may be late. */
const steps = (maxDelay: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      growth,
      kind: fc.constantFrom(
        RecordKind.open,
        RecordKind.state,
        RecordKind.owner,
        RecordKind.sample,
        RecordKind.totals,
      ),
      windowGap: fc.nat(2),
      isLost: fc.boolean(),
      copies: fc.array(fc.record({ delay: fc.nat(maxDelay), rank: fc.nat(99) }), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    { minLength: 1, maxLength: 6 },
  );

/** The deliveries of one flow from `window` on. Its last record is the close, which is on time and never lost. */
function play(flow: Partial<RecordFields>, history: readonly Step[], window: number) {
  const deliveries: Delivery[] = [];
  const openedNs = window * S + Number(flow.id);
  let totals = sumOf([]);
  history.forEach((step, i) => {
    const isClose = i === history.length - 1;
    totals = sumOf([totals, step.growth]);
    window += step.windowGap;
    const fields: Partial<RecordFields> = {
      ...flow,
      ...totals,
      openedNs,
      timeNs: window * S + 1000 * i + Number(flow.id),
      kind: isClose ? RecordKind.close : step.kind,
    };
    if (step.isLost && !isClose) return;
    step.copies.forEach(({ delay, rank }, copy) => {
      deliveries.push({ window: window + (isClose && copy === 0 ? 0 : delay), rank, fields });
    });
  });
  return { deliveries, totals, endWindow: window };
}

function run(deliveries: readonly Delivery[], udpIdleNs: number, lastWindow: number): Ledger {
  const aggregator = new Aggregator({ udpIdleNs, startNs: 0 });
  const ledger = new Ledger();
  for (let window = 0; window <= lastWindow; window++) {
    const due = deliveries.filter((delivery) => delivery.window === window).sort((a, b) => a.rank - b.rank);
    for (const { fields } of due) aggregator.apply(makeRecord(fields));
    ledger.read(aggregator.refresh((window + 1) * S, NO_LOSSES));
  }
  return ledger;
}

const proto = fc.constantFrom(
  { proto: IPPROTO_TCP, state: 1 } as const,
  { proto: IPPROTO_UDP, state: 0 } as const,
);

test("records late by up to two refreshes, repeated or lost: each flow opens once and closes once with its true totals", () => {
  const flows = fc.array(fc.record({ proto, history: steps(2), window: fc.nat(3) }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(flows, (all) => {
      const played = all.map((flow, i) =>
        play({ id: BigInt(i + 1), localPort: i + 1, ...flow.proto }, flow.history, flow.window),
      );
      const ledger = run(
        played.flatMap(({ deliveries }) => deliveries),
        1e6 * S,
        24,
      );
      const final = [...ledger.closed.values()].sort((a, b) => a.local.port - b.local.port);
      expect(final).toMatchObject(played.map(({ totals }) => totals));
      expect(final).toHaveLength(played.length);
      expect(ledger.latest.size).toBe(played.length);
    }),
    { numRuns: 300 },
  );
});

test("flows that use the same addresses one after the other stay apart, in any order within a refresh", () => {
  const flows = fc.record({ proto, histories: fc.array(steps(0), { minLength: 1, maxLength: 4 }) });
  fc.assert(
    fc.property(flows, (all) => {
      let window = 0;
      const played = all.histories.map((history, i) => {
        const flow = play({ id: BigInt(i + 1), sndCwnd: i, ...all.proto }, history, window);
        window = flow.endWindow;
        return flow;
      });
      const ledger = run(
        played.flatMap(({ deliveries }) => deliveries),
        1e6 * S,
        window + 2,
      );
      const final = [...ledger.closed.values()].sort((a, b) => a.openedNs - b.openedNs);
      expect(final).toMatchObject(played.map(({ totals }) => totals));
      expect(final).toHaveLength(played.length);
      expect(ledger.latest.size).toBe(played.length);
    }),
    { numRuns: 300 },
  );
});

test("a UDP flow that falls silent and speaks again loses nothing: its rows add up", () => {
  const gaps = fc.array(fc.record({ growth, gap: fc.integer({ min: 1, max: 9 }), repeats: fc.nat(2) }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(gaps, (history) => {
      const deliveries: Delivery[] = [];
      let totals = sumOf([]);
      let window = 0;
      for (const { growth: step, gap, repeats } of history) {
        totals = sumOf([totals, step]);
        const activeNs = window * S;
        const fields = {
          proto: IPPROTO_UDP,
          state: 0,
          kind: RecordKind.totals,
          ...totals,
          activeNs,
          timeNs: activeNs,
          openedNs: 0,
        } as const;
        for (let late = 0; late <= repeats; late++)
          deliveries.push({ window: window + late, rank: 0, fields });
        window += gap;
      }
      const ledger = run(deliveries, 5 * S, window + 6);
      expect(sumOf([...ledger.closed.values()])).toEqual(totals);
      expect(ledger.closed.size).toBe(ledger.latest.size);
    }),
    { numRuns: 300 },
  );
});
