/** A flood of connections that come and go: nothing is lost, and little of it is kept. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EventSource } from "../../../../../src/lenses/flows/events.ts";
import { NO_LOSSES } from "../../../../../src/lenses/flows/losses.ts";
import { Aggregator } from "../../../../../src/lenses/flows/model/aggregator.ts";
import { IdSet } from "../../../../../src/lenses/flows/model/id-set.ts";
import { RecordFlag, RecordKind } from "../../../../../src/lenses/flows/record.ts";
import { refreshOf } from "../../../../support/lenses.ts";
import { makeRecord } from "../../../../support/records.ts";

const S = 1e9;
const FLOWS = 5000;

function flood(aggregator: Aggregator, first: number): void {
  const owned = { flags: RecordFlag.owned | RecordFlag.timed, pid: 7, process: "curl", sndCwnd: 10 };
  const opening = makeRecord(owned);
  const closing = makeRecord({ ...owned, kind: RecordKind.close, state: 7, packetsOut: 2 });
  for (let i = first; i < first + FLOWS; i++) {
    const flow = { id: BigInt(i), localPort: 1 + (i % 60_000), timeNs: i, openedNs: i, inode: i, srttUs: i };
    aggregator.apply(Object.assign(opening, flow));
    aggregator.apply(Object.assign(closing, flow, { bytesIn: i }));
  }
}

test("all of it is in the totals and in the stream, the largest ones are rows", () => {
  const aggregator = new Aggregator({ udpIdleNs: 5 * S, startNs: 0 });
  const events = new EventSource({ filter: null, order: { column: null, reverse: false } });
  flood(aggregator, 1);
  const snapshot = aggregator.refresh(2 * S, NO_LOSSES);
  expect(snapshot.totals).toMatchObject({ bytesIn: (FLOWS * (FLOWS + 1)) / 2, packetsOut: 2 * FLOWS });
  expect(snapshot.totals.rateIn).toBe(snapshot.totals.bytesIn / 2);
  expect(snapshot.counts).toEqual({ tcp: 0, udp: 0, byState: new Map() });
  const listed = snapshot.connections.map(({ bytesIn }) => bytesIn);
  expect(listed).toEqual(Array.from({ length: 2000 }, (_, i) => 3001 + i));
  expect(snapshot.opened).toEqual(snapshot.connections);
  expect(snapshot.closed).toEqual(snapshot.connections);
  expect(snapshot.unlisted.size).toBe(3000);
  const told = [...events.of(refreshOf(snapshot)), ...events.unlisted(refreshOf(snapshot))];
  for (const kind of ["open", "close"]) {
    const flows = told
      .filter(({ event }) => event === kind)
      .map(({ row: { key, bytesIn } }) => [key, bytesIn]);
    const inOrder = flows.sort(([a = 0], [b = 0]) => a - b);
    expect(inOrder).toEqual(Array.from({ length: FLOWS }, (_, i) => [i + 1, i + 1]));
  }
  expect([...snapshot.unlisted][41]).toEqual({
    ...snapshot.connections[0],
    key: 42,
    local: { address: "192.0.2.1", port: 43 },
    phase: { kind: "closing", closedNs: 42 },
    openedNs: 42,
    stateSinceNs: 42,
    bytesIn: 42,
    rateIn: 21,
    tcp: { srttUs: 42, rttvarUs: 0, minRttUs: null, retransmits: 0, bytesRetrans: 0, sndCwnd: 10 },
  });
  expect(aggregator.size).toBe(0);
  expect(aggregator.refresh(3 * S, NO_LOSSES)).toMatchObject({ connections: [], opened: [], closed: [] });
});

test("what lives on among it is a row, in the order of first sight", () => {
  const aggregator = new Aggregator({ udpIdleNs: 5 * S, startNs: 0 });
  const live = (id: number) => aggregator.apply(makeRecord({ id: BigInt(id), localPort: 9, bytesIn: 1 }));
  live(900_001);
  flood(aggregator, 1);
  live(900_002);
  const { connections } = aggregator.refresh(S, NO_LOSSES);
  const keys = connections.map(({ key }) => key);
  expect(keys).toEqual([1, ...Array.from({ length: 2000 }, (_, i) => 3002 + i), 5002]);
  expect(aggregator.size).toBe(2);
  expect(aggregator.refresh(2 * S, NO_LOSSES).connections.map(({ key }) => key)).toEqual([1, 5002]);
});

test("asks for a refresh before it fills the memory", () => {
  const aggregator = new Aggregator({ udpIdleNs: 5 * S, startNs: 0 });
  for (let first = 1; first <= 95_001; first += FLOWS) {
    expect(aggregator.isCrowded).toBe(false);
    flood(aggregator, first);
  }
  expect(aggregator.isCrowded).toBe(true);
  aggregator.refresh(S, NO_LOSSES);
  expect([aggregator.isCrowded, aggregator.size]).toEqual([false, 0]);
});

test("a late record of it brings nothing back", () => {
  const aggregator = new Aggregator({ udpIdleNs: 5 * S, startNs: 0 });
  flood(aggregator, 1);
  aggregator.refresh(S, NO_LOSSES);
  for (let i = 1; i <= FLOWS; i++)
    aggregator.apply(makeRecord({ id: BigInt(i), kind: RecordKind.totals, bytesIn: 1e9 }));
  expect(aggregator.refresh(2 * S, NO_LOSSES)).toMatchObject({ connections: [], totals: { rateIn: 0 } });
});

test("a set of ids holds what was put in, and nothing else", () => {
  const id = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }), fc.bigInt({ min: 0n, max: 3000n }));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 3000 }), fc.array(id), (ids, others) => {
      const set = new IdSet();
      for (const each of ids) set.add(each);
      const wanted = new Set(ids);
      expect(set.size).toBe(wanted.size);
      for (const each of [...ids, ...others]) expect(set.has(each)).toBe(wanted.has(each));
    }),
    { numRuns: 30 },
  );
});
