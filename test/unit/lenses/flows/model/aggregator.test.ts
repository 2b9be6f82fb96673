import { beforeEach, describe, expect, test } from "vitest";
import type { Connection } from "../../../../../src/lenses/flows/connection.ts";
import { Aggregator } from "../../../../../src/lenses/flows/model/aggregator.ts";
import {
  IPPROTO_UDP,
  RecordFlag,
  RecordKind,
  type SeedEntry,
} from "../../../../../src/lenses/flows/record.ts";
import type { Snapshot } from "../../../../../src/lenses/flows/snapshot.ts";
import { makeRecord, NO_LOSSES, type RecordFields, seedEntry } from "../../../../support/records.ts";

const S = 1e9;
const START = 100 * S;
const UDP_IDLE = 5 * S;
const UDP = { proto: IPPROTO_UDP, state: 0 } as const;
const { close, open, owner, sample, state, totals } = RecordKind;

let aggregator: Aggregator;

beforeEach(() => {
  aggregator = new Aggregator({ udpIdleNs: UDP_IDLE, startNs: START });
});

/** Applies records whose times are seconds after the start. */
function apply(...records: (Partial<RecordFields> & { atS?: number })[]): void {
  for (const { atS, ...fields } of records) {
    const timeNs = START + (atS ?? 0) * S;
    aggregator.apply(makeRecord({ timeNs, openedNs: timeNs, ...fields }));
  }
}

function refresh(atS: number): Snapshot {
  return aggregator.refresh(START + atS * S, NO_LOSSES);
}

function seed(...entries: Partial<SeedEntry>[]): void {
  aggregator.seed(entries.map(seedEntry), START);
}

const phases = (connections: readonly Connection[]): [number, string][] =>
  connections.map(({ key, phase }) => [key, phase.kind]);

/** Keys of the four lists: shown, opened, updated, closed. */
const keys = ({ connections, opened, updated, closed }: Snapshot): number[][] =>
  [connections, opened, updated, closed].map((rows) => rows.map(({ key }) => key));

function only(connections: readonly Connection[]): Connection {
  expect(connections).toHaveLength(1);
  const [connection] = connections;
  if (connection === undefined) throw new Error("unreachable");
  return connection;
}

describe("a row", () => {
  test("shows all a record says", () => {
    apply({
      kind: sample,
      atS: 0.5,
      openedNs: START + 1,
      activeNs: START + 2,
      flags: RecordFlag.partial | RecordFlag.owned | RecordFlag.timed | RecordFlag.minRtt,
      bytesIn: 3000,
      bytesOut: 500,
      packetsIn: 4,
      packetsOut: 5,
      srttUs: 100,
      rttvarUs: 20,
      minRttUs: 90,
      retransmits: 3,
      bytesRetrans: 1500,
      sndCwnd: 10,
      pid: 42,
      uid: 1000,
      cgroupId: 77n,
      process: "curl",
      remoteAddress: "2001:db8::7",
    });
    expect(refresh(2)).toEqual({
      timeNs: START + 2 * S,
      intervalS: 2,
      connections: [
        {
          key: 1,
          protocol: "tcp",
          local: { address: "192.0.2.1", port: 40_000 },
          remote: { address: "2001:db8::7", port: 443 },
          netns: 4_026_531_840,
          owner: { pid: 42, process: "curl", uid: 1000, cgroupId: 77n, startNs: null },
          shared: false,
          assumed: false,
          state: "ESTABLISHED",
          stateSinceNs: null,
          phase: { kind: "new" },
          partial: true,
          openedNs: START + 1,
          activeNs: START + 2,
          bytesIn: 3000,
          bytesOut: 500,
          packetsIn: 4,
          packetsOut: 5,
          rateIn: 1500,
          rateOut: 250,
          tcp: { srttUs: 100, rttvarUs: 20, minRttUs: 90, retransmits: 3, bytesRetrans: 1500, sndCwnd: 10 },
        },
      ],
      opened: [expect.objectContaining({ key: 1 })],
      updated: [],
      closed: [],
      unlisted: expect.objectContaining({ size: 0 }),
      totals: { bytesIn: 3000, bytesOut: 500, packetsIn: 4, packetsOut: 5, rateIn: 1500, rateOut: 250 },
      counts: { tcp: 1, udp: 0, byState: new Map([["ESTABLISHED", 1]]) },
      losses: NO_LOSSES,
    });
  });

  test("has no owner, times or activity that the record does not know", () => {
    apply({ srttUs: 1, rttvarUs: 2, minRttUs: 3, sndCwnd: 4, pid: 5, process: "x", cgroupId: 6n });
    const connection = only(refresh(1).connections);
    expect(connection.owner).toBeNull();
    expect(connection.activeNs).toBeNull();
    expect(connection.tcp).toEqual({
      srttUs: null,
      rttvarUs: null,
      minRttUs: null,
      retransmits: 0,
      bytesRetrans: 0,
      sndCwnd: null,
    });
  });

  test("says of its owner what the newest record says that knows one", () => {
    const { owned, shared, assumed } = RecordFlag;
    const marks = () => {
      const { shared: isShared, assumed: isAssumed } = only(refresh(1).connections);
      return [isShared, isAssumed];
    };
    apply({ flags: owned | assumed });
    expect(marks()).toEqual([false, true]);
    apply({ kind: totals, atS: 1, flags: 0 });
    expect(marks()).toEqual([false, true]);
    apply({ kind: owner, atS: 2, flags: owned | shared });
    expect(marks()).toEqual([true, false]);
  });

  test("of UDP has neither state nor TCP metrics", () => {
    apply({ ...UDP });
    const snapshot = refresh(1);
    expect(only(snapshot.connections)).toMatchObject({ protocol: "udp", state: null, tcp: null });
    expect(snapshot.counts).toEqual({ tcp: 0, udp: 1, byState: new Map() });
  });

  test("is new, live, closing for one refresh, gone", () => {
    apply({});
    expect(phases(refresh(1).connections)).toEqual([[1, "new"]]);
    expect(phases(refresh(2).connections)).toEqual([[1, "live"]]);
    apply({ kind: close, atS: 2.5, state: 7 });
    const closing = refresh(3);
    expect(only(closing.connections).phase).toEqual({ kind: "closing", closedNs: START + 2.5 * S });
    expect(closing.closed).toEqual(closing.connections);
    expect(closing.counts).toEqual({ tcp: 0, udp: 0, byState: new Map() });
    expect(keys(refresh(4))).toEqual([[], [], [], []]);
  });

  test("that opens and closes between two refreshes is in both lists and shown once", () => {
    apply({ bytesIn: 10 }, { kind: close, bytesIn: 30 });
    const snapshot = refresh(1);
    expect(keys(snapshot)).toEqual([[1], [1], [], [1]]);
    expect(only(snapshot.connections)).toMatchObject({ bytesIn: 30, phase: { kind: "closing" } });
    expect(snapshot.opened[0]).toBe(snapshot.closed[0]);
    expect(keys(refresh(2))).toEqual([[], [], [], []]);
  });

  test("opens with any kind of record", () => {
    for (const kind of Object.values(RecordKind)) apply({ kind, id: BigInt(kind), localPort: 1000 + kind });
    const snapshot = refresh(1);
    expect(snapshot.opened.map(({ local }) => local.port)).toEqual([1001, 1002, 1003, 1004, 1005, 1006]);
    expect(snapshot.closed.map(({ local }) => local.port)).toEqual([1005]);
  });

  test("shows a connect in progress, and its ports once they are known", () => {
    apply({ state: 2, localPort: 0, localAddress: "0.0.0.0" });
    expect(only(refresh(1).connections)).toMatchObject({
      state: "SYN_SENT",
      stateSinceNs: START,
      local: { address: "0.0.0.0", port: 0 },
    });
    apply({ kind: state, atS: 1, state: 1 });
    const snapshot = refresh(2);
    expect(keys(snapshot)).toEqual([[1], [], [1], []]);
    expect(only(snapshot.connections)).toMatchObject({
      state: "ESTABLISHED",
      stateSinceNs: START + 1e9,
      local: { address: "192.0.2.1", port: 40_000 },
    });
  });

  test("two connects without ports are two rows", () => {
    apply({ state: 2, localPort: 0 }, { id: 2n, state: 2, localPort: 0 });
    expect(keys(refresh(1))).toEqual([[1, 2], [1, 2], [], []]);
  });
});

describe("records out of order, repeated or lost", () => {
  test("counters keep the larger, each for itself", () => {
    apply(
      { bytesIn: 100, bytesOut: 5, packetsIn: 2 },
      { kind: totals, atS: 1, bytesIn: 50, bytesOut: 7, packetsOut: 9 },
    );
    expect(only(refresh(1).connections)).toMatchObject({
      bytesIn: 100,
      bytesOut: 7,
      packetsIn: 2,
      packetsOut: 9,
    });
  });

  test("the rest follows the newest record", () => {
    const owned = { flags: RecordFlag.owned | RecordFlag.timed, uid: 0 };
    apply(
      { kind: owner, atS: 2, openedNs: START, state: 8, pid: 2, process: "new", srttUs: 20, ...owned },
      { kind: state, atS: 1, openedNs: START, state: 1, pid: 1, process: "old", srttUs: 10, ...owned },
    );
    expect(only(refresh(3).connections)).toMatchObject({
      state: "CLOSE_WAIT",
      owner: { pid: 2, process: "new" },
      tcp: { srttUs: 20 },
    });
  });

  test("a record that knows no owner does not erase one, one that knows no time erases it", () => {
    apply(
      { flags: RecordFlag.owned | RecordFlag.timed, pid: 7, process: "x", srttUs: 9, sndCwnd: 3 },
      { kind: totals, atS: 1, openedNs: START, flags: 0, srttUs: 9, sndCwnd: 3 },
    );
    expect(only(refresh(1).connections)).toMatchObject({
      owner: { pid: 7 },
      tcp: { srttUs: null, sndCwnd: null },
    });
  });

  test("the same process with another name is another owner", () => {
    const owned = { flags: RecordFlag.owned, pid: 7, uid: 1, cgroupId: 3n, processStartNs: 12 };
    apply({ ...owned, process: "sh" });
    refresh(1);
    apply({ kind: totals, atS: 1, ...owned, process: "nc" });
    expect(only(refresh(2).updated).owner).toEqual({
      pid: 7,
      process: "nc",
      uid: 1,
      cgroupId: 3n,
      startNs: 12,
    });
  });

  test("of UDP a sweep is right: what was refused after all is taken back", () => {
    apply({ ...UDP, kind: open, bytesIn: 1000, packetsIn: 1, atS: 1 });
    expect(only(refresh(1).opened)).toMatchObject({ bytesIn: 1000, packetsIn: 1 });
    apply({ ...UDP, kind: totals, bytesIn: 0, packetsIn: 0, atS: 2 });
    const { updated, totals: all } = refresh(2);
    expect(only(updated)).toMatchObject({ bytesIn: 0, packetsIn: 0, rateIn: 0 });
    expect(all).toMatchObject({ bytesIn: 0, packetsIn: 0, rateIn: 0 });
    apply({ ...UDP, kind: sample, bytesIn: 1000, packetsIn: 1, atS: 1.5 });
    expect(only(refresh(3).connections)).toMatchObject({ bytesIn: 0, packetsIn: 0 });
    apply({ ...UDP, kind: sample, bytesIn: 500, packetsIn: 1, atS: 3.5 });
    apply({ ...UDP, kind: sample, bytesIn: 400, packetsIn: 1, atS: 3.6 });
    expect(only(refresh(4).connections)).toMatchObject({ bytesIn: 500, packetsIn: 1 });
  });

  test("nothing reopens a closed TCP connection: not older, later or larger records, not another close", () => {
    apply({ bytesIn: 10 }, { kind: close, atS: 0.5, bytesIn: 20 });
    const straggle = () =>
      apply(
        { kind: open, atS: 0 },
        { kind: totals, atS: 0.4, bytesIn: 15 },
        { kind: totals, atS: 0.9, bytesIn: 900 },
        { kind: close, atS: 0.9, bytesIn: 900 },
      );
    straggle();
    const snapshot = refresh(1);
    expect(keys(snapshot)).toEqual([[1], [1], [], [1]]);
    expect(snapshot.totals.bytesIn).toBe(20);
    for (const atS of [2, 3]) {
      straggle();
      expect(keys(refresh(atS))).toEqual([[], [], [], []]);
    }
  });

  test("a close is the last word even with an older time", () => {
    apply({ kind: totals, atS: 2, openedNs: START, state: 4 }, { kind: close, atS: 1, state: 7 });
    expect(only(refresh(3).closed).state).toBe("CLOSE");
  });

  test("connections with the same addresses live beside each other, and a late record of one changes no other", () => {
    apply({ id: 1n, inode: 11, bytesIn: 10 });
    refresh(1);
    apply(
      { id: 1n, inode: 11, kind: totals, atS: 1, bytesIn: 15 },
      { id: 2n, inode: 12, atS: 2, bytesIn: 1 },
    );
    apply({ id: 3n, inode: 13, kind: totals, atS: 1, openedNs: START, bytesIn: 5 });
    const snapshot = refresh(3);
    expect(keys(snapshot)).toEqual([[1, 2, 3], [2, 3], [1], []]);
    expect(snapshot.connections.map(({ bytesIn }) => bytesIn)).toEqual([15, 1, 5]);
    apply({ id: 1n, inode: 11, kind: close, atS: 3, bytesIn: 16 });
    expect(phases(refresh(4).connections)).toEqual([
      [1, "closing"],
      [2, "live"],
      [3, "live"],
    ]);
    expect(refresh(1000).connections).toHaveLength(2);
  });

  test("equal addresses in another namespace or of another protocol are other flows", () => {
    apply({ id: 1n }, { id: 2n, netns: 5 }, { id: 3n, ...UDP });
    expect(keys(refresh(1))).toEqual([[1, 2, 3], [1, 2, 3], [], []]);
  });

  test("addresses can be used again after a close", () => {
    apply({ id: 1n }, { id: 1n, kind: close }, { id: 2n, atS: 1 });
    const snapshot = refresh(2);
    expect(phases(snapshot.connections)).toEqual([
      [1, "closing"],
      [2, "new"],
    ]);
  });
});

describe("updates and rates", () => {
  test("rates are over the time since the refresh before, and fall to zero once", () => {
    apply({ bytesIn: 1000 });
    expect(only(refresh(2).opened)).toMatchObject({ rateIn: 500, rateOut: 0 });
    apply({ kind: totals, atS: 2, bytesIn: 1300, bytesOut: 60 });
    expect(only(refresh(5).updated)).toMatchObject({ rateIn: 100, rateOut: 20, bytesIn: 1300, bytesOut: 60 });
    expect(only(refresh(6).updated)).toMatchObject({ rateIn: 0, rateOut: 0, bytesIn: 1300 });
    expect(refresh(7).updated).toEqual([]);
  });

  test("a new row whose rate falls to zero is updated", () => {
    apply({ bytesOut: 7 });
    refresh(1);
    expect(only(refresh(2).updated)).toMatchObject({ rateOut: 0, phase: { kind: "live" } });
  });

  test("a new row that stays as it is only becomes live", () => {
    apply({});
    refresh(1);
    const snapshot = refresh(2);
    expect(snapshot.updated).toEqual([]);
    expect(phases(snapshot.connections)).toEqual([[1, "live"]]);
  });

  test("rows without news keep their identity, and the list too", () => {
    apply({ id: 1n, localPort: 1 }, { id: 2n, localPort: 2 });
    refresh(1);
    const before = refresh(2);
    const idle = refresh(3);
    expect(idle.connections).toBe(before.connections);
    apply({ id: 2n, kind: totals, localPort: 2, atS: 3, bytesIn: 1 });
    const after = refresh(4);
    expect(after.connections[0]).toBe(before.connections[0]);
    expect(keys(after)).toEqual([[1, 2], [], [2], []]);
    expect(before.connections[1]?.bytesIn).toBe(0);
  });

  test("a record that says nothing new is no update", () => {
    const fields = {
      flags: RecordFlag.owned | RecordFlag.timed | RecordFlag.minRtt,
      pid: 3,
      srttUs: 4,
      minRttUs: 2,
    };
    apply(fields);
    refresh(1);
    refresh(2);
    apply({ kind: totals, atS: 2, ...fields });
    expect(refresh(3).updated).toEqual([]);
  });

  test.each<[string, Partial<RecordFields>]>([
    ["a packet", { packetsOut: 1 }],
    ["its state", { state: 8 }],
    ["its owner", { flags: RecordFlag.owned }],
    ["another user of its socket", { flags: RecordFlag.owned | RecordFlag.shared }],
    ["an owner that was not seen using it", { flags: RecordFlag.owned | RecordFlag.assumed }],
    ["its round-trip time", { flags: RecordFlag.timed, srttUs: 1 }],
    ["its minimum", { flags: RecordFlag.minRtt }],
    ["a retransmit", { retransmits: 1 }],
    ["its activity", { activeNs: START }],
  ])("%s is news", (_, fields) => {
    apply({});
    refresh(1);
    apply({ kind: totals, atS: 1, ...fields });
    expect(keys(refresh(2))).toEqual([[1], [], [1], []]);
  });

  test("no time between two refreshes is no rate", () => {
    apply({ bytesIn: 5 });
    const snapshot = refresh(0);
    expect(snapshot.intervalS).toBe(0);
    expect(snapshot.totals).toMatchObject({ bytesIn: 5, rateIn: 0 });
    expect(only(snapshot.connections).rateIn).toBe(0);
  });

  test("totals keep what is gone, counts do not", () => {
    apply(
      { id: 1n, localPort: 1, bytesIn: 10, packetsIn: 1 },
      { id: 2n, localPort: 2, bytesOut: 20, state: 8 },
    );
    apply({ id: 1n, kind: close, localPort: 1, atS: 0.5, bytesIn: 15, packetsIn: 2 });
    refresh(1);
    const snapshot = refresh(2);
    expect(snapshot.totals).toEqual({
      bytesIn: 15,
      bytesOut: 20,
      packetsIn: 2,
      packetsOut: 0,
      rateIn: 0,
      rateOut: 0,
    });
    expect(snapshot.counts).toEqual({ tcp: 1, udp: 0, byState: new Map([["CLOSE_WAIT", 1]]) });
    apply({ id: 2n, kind: state, atS: 3, state: 9 });
    expect(refresh(3).counts.byState).toEqual(new Map([["LAST_ACK", 1]]));
  });

  test("losses are the kernel side's", () => {
    const losses = { ...NO_LOSSES, closesLost: 3 };
    expect(aggregator.refresh(START, losses).losses).toEqual(losses);
  });

  test("many rows can leave at once, the others keep their order", () => {
    const ids = Array.from({ length: 2000 }, (_, i) => BigInt(i + 1));
    const place = (id: bigint) => ({
      id,
      localPort: 1 + Number(id % 60_000n),
      remotePort: 1 + Number(id / 60_000n),
    });
    for (const id of ids) apply(place(id));
    refresh(1);
    for (const id of ids) if (id % 500n !== 0n) apply({ ...place(id), kind: close, atS: 1 });
    expect(refresh(2).closed).toHaveLength(1996);
    apply(
      { id: 0n, localPort: 9, remotePort: 9, atS: 2 },
      { ...place(1000n), kind: totals, atS: 2, bytesIn: 1 },
    );
    const snapshot = refresh(3);
    expect(keys(snapshot)).toEqual([[500, 1000, 1500, 2000, 2001], [2001], [1000], []]);
    expect(snapshot.connections[1]?.bytesIn).toBe(1);
  });
});

describe("UDP", () => {
  const flow = (fields: Partial<RecordFields> & { atS?: number }) => ({
    ...UDP,
    activeNs: START + (fields.atS ?? 0) * S,
    openedNs: START,
    ...fields,
  });

  test("a flow ends exactly after the idle time, lingers once and stays away", () => {
    apply(flow({ packetsIn: 1 }));
    expect(refresh(4.999_999_999).closed).toEqual([]);
    expect(only(refresh(5).closed)).toMatchObject({
      packetsIn: 1,
      phase: { kind: "closing", closedNs: START + UDP_IDLE },
    });
    expect(refresh(6).connections).toEqual([]);
    apply(flow({ kind: close, atS: 6, packetsIn: 1 }));
    expect(keys(refresh(7))).toEqual([[], [], [], []]);
  });

  test("a datagram keeps it alive", () => {
    apply(flow({ packetsIn: 1 }));
    refresh(4);
    apply(flow({ kind: totals, atS: 4, packetsIn: 2 }));
    expect(refresh(8).closed).toEqual([]);
    expect(refresh(9).closed).toHaveLength(1);
  });

  test("the kernel may end it earlier; the next datagram is another flow", () => {
    apply(flow({ id: 1n, packetsIn: 3 }), flow({ id: 1n, kind: close, atS: 1, packetsIn: 3 }));
    expect(keys(refresh(1))).toEqual([[1], [1], [], [1]]);
    apply(flow({ id: 2n, atS: 2, packetsIn: 1 }));
    expect(keys(refresh(2))).toEqual([[2], [2], [], []]);
  });

  test.each([
    ["the idle time", []],
    ["the kernel", [flow({ kind: close, atS: 5, packetsIn: 3, bytesIn: 30 })]],
  ])("datagrams after the end by %s count in another row", (_, end) => {
    apply(flow({ packetsIn: 3, bytesIn: 30 }), ...end);
    expect(only(refresh(5).closed)).toMatchObject({ key: 1, packetsIn: 3 });
    apply(flow({ kind: totals, atS: 5, packetsIn: 3, bytesIn: 30 }));
    expect(keys(refresh(6))).toEqual([[], [], [], []]);
    apply(
      flow({ kind: totals, atS: 6, packetsIn: 5, bytesIn: 50 }),
      flow({ kind: totals, atS: 6.5, packetsIn: 6, bytesIn: 60 }),
    );
    const snapshot = refresh(7);
    expect(only(snapshot.opened)).toMatchObject({ key: 2, packetsIn: 3, bytesIn: 30 });
    expect(snapshot.totals).toMatchObject({ packetsIn: 6, bytesIn: 60 });
    apply(flow({ kind: close, atS: 11, packetsIn: 7, bytesIn: 70 }));
    expect(only(refresh(12).closed)).toMatchObject({ key: 2, packetsIn: 4, bytesIn: 40 });
  });

  test("a presumed end is remembered for a minute, then the id is unknown", () => {
    apply(flow({ packetsIn: 1 }));
    refresh(5);
    refresh(64.9);
    apply(flow({ kind: totals, atS: 0, packetsIn: 1 }));
    expect(keys(refresh(64.95))).toEqual([[], [], [], []]);
    refresh(65);
    apply(flow({ kind: totals, atS: 0, packetsIn: 1 }));
    expect(refresh(66).opened).toHaveLength(1);
  });
});

describe("seeding", () => {
  test("shows what was there, partial, with zero counts and the owner of /proc", () => {
    const process = { pid: 9, process: "sshd", uid: 0, cgroupId: null, startNs: null };
    seed({ owner: process, state: 8 });
    const snapshot = refresh(1);
    expect(keys(snapshot)).toEqual([[1], [1], [], []]);
    expect(only(snapshot.connections)).toMatchObject({
      partial: true,
      assumed: true,
      state: "CLOSE_WAIT",
      owner: process,
      openedNs: START,
      activeNs: null,
      bytesIn: 0,
      tcp: null,
    });
    expect(refresh(1000).connections).toHaveLength(1);
  });

  test.each([1, 2, 4, 5, 8, 9, 11])("TCP state %i is a connection", (state) => {
    seed({ state });
    expect(refresh(1).connections).toHaveLength(1);
  });

  test.each<Partial<SeedEntry>>([
    { state: 3 },
    { state: 6 },
    { state: 7 },
    { state: 10, remotePort: 0 },
    { state: 12 },
    { state: 13 },
    { state: 0 },
    { state: 33 },
    { state: 1, localPort: 0 },
    { proto: IPPROTO_UDP, state: 7, remotePort: 0 },
  ])("%o is none", (entry) => {
    seed(entry);
    expect(refresh(1).connections).toEqual([]);
  });

  test("a record with the same addresses is the same row; whether it is partial, the record knows", () => {
    const process = { pid: 9, process: "sshd", uid: 0, cgroupId: null, startNs: null };
    seed({ localPort: 1, owner: process }, { localPort: 2 });
    refresh(1);
    apply(
      { id: 1n, kind: totals, localPort: 1, atS: 1, flags: RecordFlag.partial, bytesIn: 4 },
      { id: 2n, kind: state, localPort: 2, atS: 1, state: 8 },
    );
    const snapshot = refresh(2);
    expect(keys(snapshot)).toEqual([[1, 2], [], [1, 2], []]);
    expect(snapshot.connections[0]).toMatchObject({
      partial: true,
      bytesIn: 4,
      owner: process,
      openedNs: START,
    });
    expect(snapshot.connections[1]).toMatchObject({ partial: false, state: "CLOSE_WAIT" });
    apply({ id: 1n, kind: close, localPort: 1, atS: 3, flags: RecordFlag.partial, bytesIn: 9 });
    expect(only(refresh(3).closed)).toMatchObject({ key: 1, bytesIn: 9 });
  });

  test("a UDP flow stays partial, and ends when it stays silent", () => {
    seed({ proto: IPPROTO_UDP, localPort: 1 }, { proto: IPPROTO_UDP, localPort: 2 });
    apply({ ...UDP, id: 1n, localPort: 1, atS: 1, activeNs: START + S, packetsIn: 1 });
    const [used, unused] = refresh(1).connections;
    expect(used).toMatchObject({ partial: true, packetsIn: 1 });
    expect(unused).toMatchObject({ partial: true, packetsIn: 0 });
    expect(refresh(5).closed.map(({ key }) => key)).toEqual([2]);
    expect(refresh(6).closed.map(({ key }) => key)).toEqual([1]);
  });

  test("a connection that the records told of first is one row, and gets the owner it lacks", () => {
    const process = { pid: 9, process: "sshd", uid: 0, cgroupId: null, startNs: null };
    apply(
      { id: 1n, localPort: 1 },
      { id: 2n, localPort: 2, flags: RecordFlag.owned, pid: 3 },
      { id: 3n, localPort: 3 },
    );
    apply({ id: 3n, kind: close, localPort: 3 });
    seed(
      { localPort: 1, owner: process },
      { localPort: 2, owner: process },
      { localPort: 3, owner: process },
    );
    const snapshot = refresh(1);
    expect(snapshot.connections.map(({ owner: by, partial }) => [by?.pid ?? null, partial])).toEqual([
      [9, false],
      [3, false],
      [null, false],
    ]);
  });

  test("one socket listed twice is one row, two sockets with the same addresses are two", () => {
    seed({ inode: 1 }, { inode: 1 }, { inode: 2 });
    expect(keys(refresh(1))[0]).toEqual([1, 2]);
  });

  const first = { pid: 1, process: "first", uid: 0, cgroupId: null, startNs: null };
  const second = { pid: 2, process: "second", uid: 0, cgroupId: null, startNs: null };
  const shown = ({ connections }: Snapshot) =>
    connections.map(({ key, owner: by, bytesIn }) => [key, by?.process ?? null, bytesIn]);

  test("records find the socket among those with the same addresses by its inode", () => {
    seed({ inode: 11, owner: first }, { inode: 12, owner: second });
    apply({ id: 7n, inode: 12, kind: totals, bytesIn: 2 }, { id: 8n, inode: 11, kind: totals, bytesIn: 1 });
    expect(shown(refresh(1))).toEqual([
      [1, "first", 1],
      [2, "second", 2],
    ]);
  });

  test("a record of another socket is another row", () => {
    seed({ inode: 11, owner: first });
    apply({ id: 7n, inode: 12, kind: totals, bytesIn: 2 });
    expect(shown(refresh(1))).toEqual([
      [1, "first", 0],
      [2, null, 2],
    ]);
  });

  test.each([
    ["of a record that knows no inode", 11, 0],
    ["of /proc that has none", 0, 12],
  ])("addresses alone tell the socket %s", (_, ofEntry, ofRecord) => {
    seed({ inode: ofEntry, owner: first });
    apply({ id: 7n, inode: ofRecord, kind: totals, bytesIn: 2 });
    expect(shown(refresh(1))).toEqual([[1, "first", 2]]);
  });

  test("sockets that records told of first get their own owners, whichever /proc lists first", () => {
    apply({ id: 7n, inode: 12, bytesIn: 2 }, { id: 8n, inode: 11, bytesIn: 1 }, { id: 9n, bytesIn: 3 });
    seed({ inode: 13, owner: null }, { inode: 11, owner: first }, { inode: 12, owner: second });
    expect(shown(refresh(1))).toEqual([
      [1, "second", 2],
      [2, "first", 1],
      [3, null, 3],
    ]);
  });

  test("a connect whose port becomes known takes the place of its seeded double", () => {
    apply({ state: 2, localPort: 0 });
    seed({ state: 2 });
    apply({ kind: state, atS: 1, state: 1 });
    expect(phases(refresh(1).connections)).toEqual([[1, "new"]]);
    expect(refresh(2).counts.tcp).toBe(1);
  });

  test("a connect whose port becomes known later ends its seeded double", () => {
    apply({ state: 2, localPort: 0 });
    seed({ state: 2 });
    refresh(1);
    apply({ kind: state, atS: 1, state: 1 });
    expect(phases(refresh(2).connections)).toEqual([
      [1, "live"],
      [2, "closing"],
    ]);
  });
});

describe("rows whose end nobody reports", () => {
  test("what only /proc told of can be asked for, and ended by its key", () => {
    seed({ localPort: 1, inode: 5 }, { localPort: 2 }, { ...UDP, state: 1, localPort: 3 });
    apply({ id: 1n, localPort: 2 });
    expect(aggregator.unmet()).toMatchObject([
      { key: 1, protocol: "tcp", netns: 4_026_531_840, inode: 5 },
      { key: 3, protocol: "udp" },
    ]);
    refresh(1);
    aggregator.endUnmet([1, 2], START + S);
    const snapshot = refresh(2);
    expect(phases(snapshot.closed)).toEqual([[1, "closing"]]);
    expect(only(snapshot.closed).phase).toEqual({ kind: "closing", closedNs: START + S });
    expect(aggregator.unmet().map(({ key }) => key)).toEqual([3]);
    apply({ id: 2n, localPort: 1, atS: 3 });
    expect(keys(refresh(3))).toEqual([[2, 3, 4], [4], [], []]);
  });

  test("where the kernel's tables are full, what only /proc told of has no row: nobody counts it", () => {
    seed({ localPort: 1 }, { localPort: 2 }, { ...UDP, state: 1, localPort: 3 });
    apply({ id: 1n, localPort: 2 });
    const full = { ...NO_LOSSES, flowsUntracked: 2 };
    expect(keys(aggregator.refresh(START + S, full))).toEqual([[2], [2], [], []]);
    expect(aggregator.unmet()).toEqual([]);
    apply({ id: 2n, localPort: 1, atS: 2, flags: RecordFlag.partial, bytesIn: 1 });
    expect(keys(aggregator.refresh(START + 2 * S, full))).toEqual([[2, 4], [4], [], []]);
  });

  test("such rows end when the tables fill up later", () => {
    seed({ localPort: 1 });
    refresh(1);
    const snapshot = aggregator.refresh(START + 2 * S, { ...NO_LOSSES, flowsUntracked: 1 });
    expect(keys(snapshot)).toEqual([[1], [], [], [1]]);
    expect(snapshot.counts.tcp).toBe(0);
  });

  test("connections end that no record tells of while the kernel side reports all", () => {
    apply({ id: 1n, localPort: 1 }, { id: 2n, localPort: 2 }, { ...UDP, id: 3n, localPort: 3 });
    seed({ localPort: 4 });
    refresh(1);
    apply({ id: 2n, kind: totals, localPort: 2, atS: 2 });
    aggregator.endSilent(START + 2 * S, START + 3 * S);
    const snapshot = refresh(3);
    expect(phases(snapshot.closed)).toEqual([[1, "closing"]]);
    expect(only(snapshot.closed).phase).toEqual({ kind: "closing", closedNs: START + 3 * S });
    expect(refresh(4).counts.tcp).toBe(2);
  });

  test("the late close of a connection that was ended so still counts before that is shown", () => {
    apply({ id: 1n, bytesIn: 10 });
    aggregator.endSilent(START + S, START + S);
    apply({ id: 1n, kind: close, atS: 0.9, bytesIn: 30 });
    const snapshot = refresh(2);
    expect(keys(snapshot)).toEqual([[1], [1], [], [1]]);
    expect(only(snapshot.closed).bytesIn).toBe(30);
  });

  test("what a connection that was ended so has to tell later is a row of its own", () => {
    apply({ id: 1n, bytesIn: 10, packetsIn: 1 });
    aggregator.endSilent(START + S, START + S);
    refresh(2);
    apply({ id: 1n, kind: close, openedNs: START, atS: 0.9, bytesIn: 30, packetsIn: 3 });
    const snapshot = refresh(3);
    expect(keys(snapshot)).toEqual([[2], [2], [], [2]]);
    expect(only(snapshot.closed)).toMatchObject({ bytesIn: 20, packetsIn: 2 });
    expect(snapshot.totals.bytesIn).toBe(30);
    apply({ id: 1n, kind: totals, openedNs: START, atS: 0.8, bytesIn: 40 });
    expect(keys(refresh(4))).toEqual([[], [], [], []]);
  });
});

describe("sockets without a flow", () => {
  const listener = seedEntry({ state: 10, remoteAddress: "0.0.0.0", remotePort: 0, localPort: 80, inode: 1 });
  const sibling = { ...listener, inode: 2 };
  const timeWait = seedEntry({ state: 6, inode: 0 });
  const receiver = seedEntry({
    proto: IPPROTO_UDP,
    state: 7,
    remoteAddress: "0.0.0.0",
    remotePort: 0,
    inode: 3,
  });

  test("are shown as given, and end when they are missing", () => {
    apply({ id: 1n });
    aggregator.setSockets([listener, sibling, listener, timeWait, receiver, seedEntry()]);
    const first = refresh(1);
    expect(first.opened.map(({ protocol, state: shown, partial }) => [protocol, shown, partial])).toEqual([
      ["tcp", "ESTABLISHED", false],
      ["tcp", "LISTEN", true],
      ["tcp", "LISTEN", true],
      ["tcp", "TIME_WAIT", true],
      ["udp", null, true],
    ]);
    expect(first.counts).toEqual({
      tcp: 4,
      udp: 1,
      byState: new Map([
        ["ESTABLISHED", 1],
        ["TIME_WAIT", 1],
        ["LISTEN", 2],
      ]),
    });
    aggregator.setSockets([
      listener,
      { ...sibling, owner: { pid: 4, process: "httpd", uid: 0, cgroupId: null, startNs: null } },
    ]);
    const second = refresh(60);
    expect(keys(second)).toEqual([[1, -1, -2, -3, -4], [], [-2], [-3, -4]]);
    aggregator.setSockets([listener, sibling]);
    expect(keys(refresh(61))).toEqual([[1, -1, -2], [], [], []]);
  });

  test("are older than tcptop only where they are there at the first refresh", () => {
    aggregator.setSockets([listener]);
    refresh(1);
    aggregator.setSockets([listener, sibling]);
    expect(refresh(2).connections.map(({ key, partial }) => [key, partial])).toEqual([
      [-1, true],
      [-2, false],
    ]);
  });

  test("TIME_WAIT does not end the connection that uses its addresses again", () => {
    aggregator.setSockets([timeWait]);
    apply({ id: 1n });
    aggregator.setSockets([timeWait]);
    expect(phases(refresh(1).connections)).toEqual([
      [-1, "new"],
      [1, "new"],
    ]);
  });
});
