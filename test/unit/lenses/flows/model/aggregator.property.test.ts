import fc from "fast-check";
import { expect, test } from "vitest";
import { Aggregator } from "../../../../../src/lenses/flows/model/aggregator.ts";
import { IPPROTO_TCP, IPPROTO_UDP, RecordKind } from "../../../../../src/lenses/flows/record.ts";
import { type Counts, Ledger, sumOf } from "../../../../support/ledger.ts";
import { makeRecord, NO_LOSSES, type RecordFields } from "../../../../support/records.ts";

const S = 1e9;
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
