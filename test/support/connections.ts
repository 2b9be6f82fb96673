/** Connections and snapshots with sensible defaults, for tests of what comes after the aggregator. */
import type { Connection } from "../../src/lenses/flows/connection.ts";
import type { ConnectionList, Snapshot } from "../../src/lenses/flows/snapshot.ts";
import { NO_LOSSES } from "./records.ts";

/** An established TCP connection of curl. */
export function connection(fields: Partial<Connection> = {}): Connection {
  return {
    key: 1,
    protocol: "tcp",
    local: { address: "192.168.1.5", port: 51234 },
    remote: { address: "140.82.112.3", port: 443 },
    netns: 4026531840,
    owner: { pid: 1234, process: "curl", uid: 1000, cgroupId: 18446744073709551615n, startNs: 8_400_000_000 },
    shared: false,
    assumed: false,
    state: "ESTABLISHED",
    stateSinceNs: null,
    phase: { kind: "live" },
    partial: false,
    openedNs: 1_000_000_000,
    activeNs: 4_000_000_000,
    bytesIn: 1_200_000_000,
    bytesOut: 3_400,
    packetsIn: 830_000,
    packetsOut: 17,
    rateIn: 42_100_000,
    rateOut: 340.25,
    tcp: { srttUs: 23_100, rttvarUs: 1_500, minRttUs: 400, retransmits: 2, bytesRetrans: 2_896, sndCwnd: 10 },
    ...fields,
  };
}

/** A UDP flow of a resolver. */
export function udpFlow(fields: Partial<Connection> = {}): Connection {
  return connection({
    protocol: "udp",
    local: { address: "10.0.0.2", port: 40000 },
    remote: { address: "9.9.9.9", port: 53 },
    owner: { pid: 77, process: "resolved", uid: null, cgroupId: null, startNs: null },
    state: null,
    tcp: null,
    bytesIn: 120,
    bytesOut: 40,
    packetsIn: 1,
    packetsOut: 1,
    rateIn: 120,
    rateOut: 40,
    ...fields,
  });
}

/** Connections without a row. */
export function unlistedOf(rows: readonly Connection[]): ConnectionList {
  return { size: rows.length, [Symbol.iterator]: () => rows[Symbol.iterator]() };
}

/** A refresh at second 5 of the monotonic clock. */
export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    timeNs: 5_000_000_000,
    intervalS: 1,
    connections: [],
    opened: [],
    updated: [],
    closed: [],
    unlisted: unlistedOf([]),
    totals: { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, rateIn: 0, rateOut: 0 },
    counts: { tcp: 0, udp: 0, byState: new Map() },
    losses: NO_LOSSES,
    ...fields,
  };
}
