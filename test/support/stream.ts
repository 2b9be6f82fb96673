/** A short history with every kind of line, as the outputs are given it. */
import type { Moment } from "../../src/base/clock.ts";
import { NONE_SKIPPED, type Skipped } from "../../src/core/losses.ts";
import type { Connection } from "../../src/lenses/flows/connection.ts";
import type { Snapshot } from "../../src/lenses/flows/snapshot.ts";
import type { Output, StartInfo } from "../../src/sinks/output.ts";
import { connection, snapshot, udpFlow } from "./connections.ts";
import { flowsTable, NO_ORDER, refreshOf, summaryOf } from "./lenses.ts";
import { NO_LOSSES } from "./records.ts";

const START: StartInfo = {
  version: "0.1.0",
  backend: "tracepoint",
  kernel: "6.18.0",
  stepDowns: [
    { backend: "fentry", reason: "this kernel has no function tracing" },
    { backend: "kprobe", reason: "line one\nline two \x1b[31m" },
  ],
  facts: new Map([["flows", { maxTcpFlows: 65_536, maxUdpFlows: 32_768 }]]),
};

function named(process: string, pid: number) {
  return { pid, process, uid: 0, cgroupId: 42n, startNs: null };
}

const partial = connection({
  key: 2,
  partial: true,
  owner: null,
  tcp: null,
  bytesIn: 0,
  bytesOut: 0,
  packetsIn: 0,
  packetsOut: 0,
  rateIn: 0,
  rateOut: 0,
});

const ipv6 = connection({
  key: 3,
  local: { address: "2001:db8:1111:2222:3333:4444:5555:6666", port: 443 },
  remote: { address: "2001:db8::7", port: 50000 },
  owner: named("Web Content", 42),
  phase: { kind: "new" },
});

const formula = connection({
  key: 4,
  remote: { address: "203.0.113.9", port: 80 },
  owner: named('=HYPERLINK("x",1', 4194304),
  state: "SYN_SENT",
  phase: { kind: "new" },
  bytesIn: 0,
  rateIn: 0,
  packetsIn: 0,
  tcp: { srttUs: null, rttvarUs: null, minRttUs: null, retransmits: 0, bytesRetrans: 0, sndCwnd: null },
});

const hostile = connection({
  key: 5,
  remote: { address: "203.0.113.10", port: 80 },
  owner: named("\x1b[31m\u202e,日\r\n", 9),
  state: "CLOSE",
  phase: { kind: "closing", closedNs: 4_500_000_000 },
});

const listener = connection({
  key: 6,
  local: { address: "::", port: 22 },
  remote: { address: "::", port: 0 },
  owner: named("sshd", 1),
  state: "LISTEN",
  tcp: null,
  activeNs: null,
  partial: true,
});

const udp = udpFlow({ key: 7, phase: { kind: "new" } });

const gone = (row: Connection): Connection => ({
  ...row,
  phase: { kind: "closing", closedNs: 5_900_000_000 },
});

const SLOW: Skipped = { refreshesSkipped: 3, eventsSkipped: 40 };
const HISTORY: readonly [Snapshot, Skipped][] = [
  [
    snapshot({
      opened: [partial, ipv6, formula, listener, udp, hostile],
      updated: [connection()],
      closed: [hostile],
      totals: {
        bytesIn: 3_600_000_120,
        bytesOut: 10_240,
        packetsIn: 1,
        packetsOut: 2,
        rateIn: 1 / 3,
        rateOut: 2,
      },
      counts: {
        tcp: 5,
        udp: 1,
        byState: new Map([
          ["ESTABLISHED", 3],
          ["SYN_SENT", 1],
          ["LISTEN", 1],
        ]),
      },
    }),
    NONE_SKIPPED,
  ],
  [
    snapshot({
      timeNs: 6_000_000_000,
      intervalS: 1.0004,
      updated: [ipv6],
      closed: [gone(udp), gone(connection())],
      losses: { ...NO_LOSSES, flowsUntracked: 2, bytesUntracked: 3_400, seedLinesSkipped: 1 },
    }),
    SLOW,
  ],
  [
    snapshot({
      timeNs: 7_000_000_000,
      losses: { ...NO_LOSSES, flowsUntracked: 2, bytesUntracked: 3_400, seedLinesSkipped: 1 },
    }),
    SLOW,
  ],
];

/** 12:04:26 of 21 November 2026, UTC, at zero of the monotonic clock. */
const ZERO_MS = Date.UTC(2026, 10, 21, 12, 4, 26, 7);

function moment(nowNs: number): Moment {
  return { nowNs, wallMs: ZERO_MS + nowNs / 1e6 };
}

/** All that an output writes for the history: start, refreshes, and the warning at the end. */
export function play(output: Output): string {
  const table = flowsTable();
  const source = table.source(NO_ORDER);
  const refreshes = HISTORY.map(([snap, skipped]) => {
    const at = moment(snap.timeNs);
    return (
      output.events(table, source.of(refreshOf(snap)), at) + output.summary(summaryOf(snap), skipped, at)
    );
  });
  const [last, skipped] = HISTORY.at(-1) ?? [snapshot(), NONE_SKIPPED];
  return [
    output.start(START, moment(4_000_000_000)),
    ...refreshes,
    output.warning(summaryOf(last), skipped, moment(last.timeNs)),
  ].join("");
}
