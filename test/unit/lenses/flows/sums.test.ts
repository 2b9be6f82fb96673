import { expect, test } from "vitest";
import type { Connection } from "../../../../src/lenses/flows/connection.ts";
import type { Snapshot } from "../../../../src/lenses/flows/snapshot.ts";
import { Sums } from "../../../../src/lenses/flows/sums.ts";
import { connection, snapshot, udpFlow, unlistedOf } from "../../../support/connections.ts";

const curl = { pid: 1, process: "curl", uid: null, cgroupId: null, startNs: null };
const ofCurl = ({ owner }: Connection): boolean => owner?.process === "curl";

function row(fields: Partial<Connection>): Connection {
  return connection({
    owner: curl,
    bytesIn: 0,
    bytesOut: 0,
    packetsIn: 0,
    packetsOut: 0,
    rateIn: 0,
    rateOut: 0,
    ...fields,
  });
}

function refresh(fields: Partial<Snapshot>): Snapshot {
  return snapshot({ intervalS: 2, ...fields });
}

test("without a filter the sums are the machine's own", () => {
  const given = refresh({ connections: [row({ bytesIn: 5 })] });
  const { totals, counts } = new Sums(null).add(given);
  expect(totals).toBe(given.totals);
  expect(counts).toBe(given.counts);
});

test("the first refresh counts all rows that pass, gone ones in the totals only", () => {
  const connections = [
    row({ key: 1, bytesIn: 1000, bytesOut: 10, packetsIn: 4, packetsOut: 1, rateIn: 200, rateOut: 5 }),
    row({ key: 2, bytesIn: 70, packetsIn: 1, phase: { kind: "closing", closedNs: 1 }, state: "CLOSE" }),
    row({ key: 3, bytesIn: 1e6, rateIn: 1e6, owner: null }),
    udpFlow({
      key: 4,
      owner: curl,
      bytesIn: 8,
      bytesOut: 9,
      packetsIn: 1,
      packetsOut: 1,
      rateIn: 4,
      rateOut: 0,
    }),
  ];
  expect(new Sums(ofCurl).add(refresh({ connections }))).toEqual({
    totals: { bytesIn: 1078, bytesOut: 19, packetsIn: 6, packetsOut: 2, rateIn: 204, rateOut: 5 },
    counts: { tcp: 1, udp: 1, byState: new Map([["ESTABLISHED", 1]]) },
  });
});

test("later refreshes add what the rows that changed have grown by, and keep what has gone", () => {
  const sums = new Sums(ofCurl);
  const first = row({ key: 1, bytesIn: 1000 });
  sums.add(refresh({ connections: [first], opened: [first] }));
  const opened = row({ key: 2, bytesOut: 50, packetsOut: 1, rateOut: 25, state: "SYN_SENT" });
  const short = row({ key: 3, bytesIn: 6, rateIn: 3, phase: { kind: "closing", closedNs: 1 } });
  const grown = row({ key: 1, bytesIn: 1300, packetsIn: 2, rateIn: 150 });
  const stranger = row({ key: 9, bytesIn: 1e9, rateIn: 1e9, owner: null });
  expect(sums.add(refresh({ opened: [opened, short, stranger], updated: [grown], closed: [short] }))).toEqual(
    {
      totals: { bytesIn: 1306, bytesOut: 50, packetsIn: 2, packetsOut: 1, rateIn: 153, rateOut: 25 },
      counts: {
        tcp: 2,
        udp: 0,
        byState: new Map([
          ["ESTABLISHED", 1],
          ["SYN_SENT", 1],
        ]),
      },
    },
  );
  const closed = row({
    key: 1,
    bytesIn: 1310,
    packetsIn: 3,
    rateIn: 5,
    phase: { kind: "closing", closedNs: 2 },
  });
  expect(sums.add(refresh({ closed: [closed] }))).toEqual({
    totals: { bytesIn: 1316, bytesOut: 50, packetsIn: 3, packetsOut: 1, rateIn: 5, rateOut: 0 },
    counts: { tcp: 1, udp: 0, byState: new Map([["SYN_SENT", 1]]) },
  });
  expect(sums.add(refresh({})).totals).toEqual({
    bytesIn: 1316,
    bytesOut: 50,
    packetsIn: 3,
    packetsOut: 1,
    rateIn: 0,
    rateOut: 0,
  });
});

test("connections without a row are counted where they pass, those of the last refresh only", () => {
  const brief = (key: number, owner: Connection["owner"]) =>
    row({ key, owner, bytesIn: 10, rateIn: 5, phase: { kind: "closing", closedNs: 1 } });
  const unlisted = unlistedOf([brief(1, curl), brief(2, null), brief(3, curl)]);
  const [all, some] = [new Sums(null), new Sums(ofCurl)];
  for (const next of [unlisted, unlistedOf([brief(4, null), brief(5, curl)])]) {
    const given = refresh({ unlisted: next });
    all.add(given);
    some.add(given);
    expect([all.unlisted, some.unlisted]).toEqual(next === unlisted ? [3, 2] : [2, 1]);
  }
  expect(some.add(refresh({})).totals.bytesIn).toBe(30);
  expect(some.unlisted).toBe(0);
});

test("a row that passes only later counts with all it has moved, but its rate is that of the refresh", () => {
  const sums = new Sums(ofCurl);
  const unowned = row({ key: 1, owner: null, bytesIn: 900 });
  sums.add(refresh({ connections: [unowned], opened: [unowned] }));
  const { totals, counts } = sums.add(refresh({ updated: [row({ key: 1, bytesIn: 1000, rateIn: 50 })] }));
  expect(totals).toMatchObject({ bytesIn: 1000, rateIn: 50 });
  expect(counts.tcp).toBe(1);
});

test("a row that is taken over keeps what it had, and is counted once when it comes back", () => {
  const sums = new Sums(ofCurl);
  const first = row({ key: 1, bytesIn: 1000 });
  sums.add(refresh({ connections: [first], opened: [first] }));
  const wget = { ...curl, process: "wget" };
  const taken = sums.add(refresh({ updated: [row({ key: 1, bytesIn: 1500, rateIn: 250, owner: wget })] }));
  expect(taken.totals).toMatchObject({ bytesIn: 1000, rateIn: 0 });
  expect(taken.counts).toEqual({ tcp: 0, udp: 0, byState: new Map() });
  const back = sums.add(refresh({ updated: [row({ key: 1, bytesIn: 1600, rateIn: 50 })] }));
  expect(back.totals).toMatchObject({ bytesIn: 1600, rateIn: 50 });
  expect(back.counts.tcp).toBe(1);
  sums.add(refresh({ updated: [row({ key: 1, bytesIn: 1700, owner: wget })] }));
  const gone = row({ key: 1, bytesIn: 1800, owner: wget, phase: { kind: "closing", closedNs: 1 } });
  const end = sums.add(refresh({ closed: [gone] }));
  expect(end.totals.bytesIn).toBe(1600);
  expect(end.counts.tcp).toBe(0);
});
