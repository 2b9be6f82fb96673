/** Snapshots with a few telling connections, and with very many. */
import type { Connection } from "../../src/lenses/flows/connection.ts";
import type { Snapshot } from "../../src/lenses/flows/snapshot.ts";
import { connection, snapshot, udpFlow } from "./connections.ts";

function named(process: string, pid: number) {
  return { pid, process, uid: 1000, cgroupId: 42n, startNs: null };
}

function tcp(srttUs: number) {
  return { srttUs, rttvarUs: 1_500, minRttUs: 400, retransmits: 2, bytesRetrans: 2_896, sndCwnd: 10 };
}

/** One of each kind: busy, quiet, new, closing, partial, UDP, long IPv6, wide and hostile names. */
export const FEW: readonly Connection[] = [
  connection({ key: 1, stateSinceNs: 4_500_000_000 }),
  udpFlow({
    key: 2,
    local: { address: "10.0.0.7", port: 51820 },
    remote: { address: "203.0.113.9", port: 51820 },
    owner: named("wireguard-go", 902),
    rateIn: 3_000_000,
    rateOut: 2_900_000,
    bytesIn: 9_000_000,
    bytesOut: 8_700_000,
  }),
  connection({
    key: 3,
    local: { address: "10.0.0.7", port: 22 },
    remote: { address: "10.0.0.2", port: 61022 },
    owner: named("sshd", 811),
    partial: true,
    rateIn: 1_200,
    rateOut: 48_000,
    bytesIn: 12_000,
    bytesOut: 480_000,
    tcp: tcp(400),
  }),
  connection({
    key: 4,
    local: { address: "2001:db8::7", port: 40112 },
    remote: { address: "2606:4700:1111:2222:3333:4444:6810:84e5", port: 443 },
    owner: named("node", 3310),
    phase: { kind: "new" },
    rateIn: 88,
    rateOut: 212,
    bytesIn: 88,
    bytesOut: 212,
    tcp: tcp(11_900),
  }),
  connection({
    key: 5,
    local: { address: "10.0.0.7", port: 43210 },
    remote: { address: "10.0.0.9", port: 5432 },
    owner: named("postgres", 2210),
    state: "CLOSE",
    phase: { kind: "closing", closedNs: 4_900_000_000 },
    rateIn: 0,
    rateOut: 0,
    tcp: tcp(1_000),
  }),
  connection({
    key: 6,
    local: { address: "10.0.0.7", port: 5432 },
    remote: { address: "10.0.0.9", port: 43999 },
    owner: named("postgres", 2210),
    rateIn: 310_000,
    rateOut: 5_200_000,
    tcp: tcp(1_200),
  }),
  connection({
    key: 7,
    remote: { address: "198.51.100.4", port: 80 },
    owner: named("日本語プロセス", 77),
    state: "SYN_SENT",
    rateIn: 0,
    rateOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    tcp: null,
  }),
  connection({
    key: 8,
    remote: { address: "140.82.112.3", port: 9418 },
    owner: named("\x1b[31m\u202eevil", 666),
    rateIn: 20,
    rateOut: 0,
    tcp: tcp(30_000),
  }),
];

/** A snapshot of these connections whose totals and counts add up. */
export function snapshotOf(connections: readonly Connection[], fields: Partial<Snapshot> = {}): Snapshot {
  const sum = (read: (c: Connection) => number) => connections.reduce((total, c) => total + read(c), 0);
  const byState = new Map<NonNullable<Connection["state"]>, number>();
  for (const { state } of connections) if (state !== null) byState.set(state, (byState.get(state) ?? 0) + 1);
  return snapshot({
    connections,
    opened: connections.filter(({ phase }) => phase.kind === "new"),
    updated: connections.filter(({ phase }) => phase.kind === "live"),
    closed: connections.filter(({ phase }) => phase.kind === "closing"),
    totals: {
      bytesIn: sum((c) => c.bytesIn),
      bytesOut: sum((c) => c.bytesOut),
      packetsIn: sum((c) => c.packetsIn),
      packetsOut: sum((c) => c.packetsOut),
      rateIn: sum((c) => c.rateIn),
      rateOut: sum((c) => c.rateOut),
    },
    counts: {
      tcp: connections.filter(({ protocol }) => protocol === "tcp").length,
      udp: connections.filter(({ protocol }) => protocol === "udp").length,
      byState,
    },
    ...fields,
  });
}

/** Many connections, each a little different, in a fixed order that is none. */
export function crowd(count: number): readonly Connection[] {
  return Array.from({ length: count }, (_, i) => {
    const mixed = (i * 7_919) % count;
    return connection({
      key: i + 1,
      local: { address: "10.0.0.7", port: 1024 + (mixed % 60_000) },
      remote: {
        address: `10.${mixed % 200}.${(mixed >> 3) % 256}.${(mixed >> 8) % 256}`,
        port: 443 + (i % 3),
      },
      owner: named(`worker-${mixed % 50}`, 1000 + (mixed % 50)),
      rateIn: mixed * 10,
      rateOut: mixed,
      tcp: tcp(100 + mixed),
    });
  });
}
