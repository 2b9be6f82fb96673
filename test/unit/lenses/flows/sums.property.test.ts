import fc from "fast-check";
import { expect, test } from "vitest";
import type { Connection } from "../../../../src/lenses/flows/connection.ts";
import { EventSource } from "../../../../src/lenses/flows/events.ts";
import { Aggregator } from "../../../../src/lenses/flows/model/aggregator.ts";
import { perSecond, sum, ZERO } from "../../../../src/lenses/flows/model/counters.ts";
import { RecordFlag, RecordKind } from "../../../../src/lenses/flows/record.ts";
import { type Sum, Sums } from "../../../../src/lenses/flows/sums.ts";
import { refreshOf } from "../../../support/lenses.ts";
import { makeRecord, NO_LOSSES, type RecordFields } from "../../../support/records.ts";

const S = 1e9;

interface Step {
  readonly window: number;
  readonly id: number;
  readonly fields: Partial<RecordFields>;
}

const kinds = [RecordKind.open, RecordKind.state, RecordKind.sample, RecordKind.totals, RecordKind.close];

/** What happens to one flow, refresh by refresh: growth, states, owners that come and change, an end or none. */
const flow = (id: number): fc.Arbitrary<Step[]> =>
  fc
    .record({
      proto: fc.constantFrom(6, 17),
      steps: fc.array(
        fc.record({
          gap: fc.nat(2),
          kind: fc.constantFrom(...kinds),
          state: fc.constantFrom(1, 2, 8),
          pid: fc.nat(2),
          bytesIn: fc.nat(5000),
          bytesOut: fc.nat(5000),
          packetsIn: fc.nat(3),
          packetsOut: fc.nat(3),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    })
    .map(({ proto, steps }) => {
      let window = 0;
      let counters = ZERO;
      return steps.map(({ gap, kind, state, pid, ...growth }) => {
        window += gap;
        counters = sum(counters, growth);
        const owner = pid === 0 ? { flags: 0 } : { flags: RecordFlag.owned, pid, process: `process ${pid}` };
        const time = { timeNs: window * S + id, openedNs: id, activeNs: window * S + id };
        const place = { id: BigInt(id), localPort: 1000 + id, proto, state: proto === 6 ? state : 0 };
        return { window, id, fields: { ...place, ...time, ...owner, ...counters, kind } };
      });
    });

const history = fc.tuple(...Array.from({ length: 5 }, (_, i) => flow(i + 1))).map((flows) => flows.flat());

/** Calls back with each refresh, 1 s and 0.3 s apart in turn. */
function play(steps: readonly Step[], see: (snapshot: ReturnType<Aggregator["refresh"]>) => void): void {
  const aggregator = new Aggregator({ udpIdleNs: 4 * S, startNs: 0 });
  let nowNs = 0;
  for (let window = 0; window < 16; window++) {
    for (const step of steps) if (step.window === window) aggregator.apply(makeRecord(step.fields));
    nowNs += window % 2 === 0 ? S : 0.3 * S;
    see(aggregator.refresh(nowNs, NO_LOSSES));
  }
}

const isOfOne = ({ owner }: Connection): boolean => owner?.pid === 1;

/** The sums from all rows there are, by what each was shown with last. */
class Reference {
  readonly #last = new Map<number, Connection>();

  add(connections: readonly Connection[], intervalS: number): Sum {
    const shown = connections.filter(isOfOne);
    for (const row of shown) this.#last.set(row.key, row);
    const totals = [...this.#last.values()].reduce(sum, ZERO);
    const open = shown.filter(({ phase }) => phase.kind !== "closing");
    const byState = new Map<NonNullable<Connection["state"]>, number>();
    for (const { state } of open) if (state !== null) byState.set(state, (byState.get(state) ?? 0) + 1);
    const grown = (name: "rateIn" | "rateOut") =>
      shown.reduce((bytes, row) => bytes + Math.round(row[name] * intervalS), 0);
    return {
      totals: {
        ...totals,
        rateIn: perSecond(grown("rateIn"), intervalS),
        rateOut: perSecond(grown("rateOut"), intervalS),
      },
      counts: {
        tcp: open.filter(({ protocol }) => protocol === "tcp").length,
        udp: open.filter(({ protocol }) => protocol === "udp").length,
        byState,
      },
    };
  }
}

test("a filter that lets everything through has the machine's own sums at every refresh", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const sums = new Sums(() => true);
      play(steps, (snapshot) => {
        expect(sums.add(snapshot)).toEqual({ totals: snapshot.totals, counts: snapshot.counts });
      });
    }),
    { numRuns: 300 },
  );
});

test("closes and the rows still open, as the stream shows them last, add up to the sums", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const sums = new Sums(isOfOne);
      const source = new EventSource({ filter: isOfOne, order: { column: null, reverse: false } });
      const last = new Map<number, Connection>();
      play(steps, (snapshot) => {
        const { totals } = sums.add(snapshot);
        for (const { row } of source.of(refreshOf(snapshot))) last.set(row.key, row);
        expect(totals).toMatchObject([...last.values()].reduce(sum, ZERO));
        expect([...last.values()].filter((row) => !isOfOne(row))).toEqual([]);
      });
    }),
    { numRuns: 300 },
  );
});

test("the sums kept from what changed are those over all rows, from any refresh on", () => {
  fc.assert(
    fc.property(history, fc.nat(8), (steps, begin) => {
      const sums = new Sums(isOfOne);
      const reference = new Reference();
      let refreshes = 0;
      play(steps, (snapshot) => {
        if (refreshes++ < begin) return;
        expect(sums.add(snapshot)).toEqual(reference.add(snapshot.connections, snapshot.intervalS));
      });
    }),
    { numRuns: 300 },
  );
});
