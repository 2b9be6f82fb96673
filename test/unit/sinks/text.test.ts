import { beforeEach, describe, expect, test, vi } from "vitest";
import { NONE_SKIPPED } from "../../../src/core/losses.ts";
import type { Connection } from "../../../src/lenses/flows/connection.ts";
import type { EventName } from "../../../src/lenses/flows/events.ts";
import { NO_LOSSES } from "../../../src/lenses/flows/losses.ts";
import { textOutput } from "../../../src/sinks/text.ts";
import { connection, snapshot, udpFlow } from "../../support/connections.ts";
import { flowsTable, summaryOf } from "../../support/lenses.ts";

const TABLE = flowsTable();
const AT = { wallMs: Date.UTC(2026, 0, 2, 12, 4, 31), nowNs: 5_000_000_000 };
const closing = { kind: "closing", closedNs: 3_000_000_000 } as const;

const CURL =
  "192.168.1.5:51234     → 140.82.112.3:443      tcp curl[1234]       ESTABLISHED " +
  "in 42.1 MB/s  (1.2 GB, 830000 pkts) out   340 B/s  (3.4 kB,     17 pkts) rtt  23.1 ms";

beforeEach(() => {
  vi.stubEnv("TZ", "UTC");
});

function line(event: EventName, row: Connection, color = false): string {
  return textOutput({ style: "human", color }).events(TABLE, [{ event, row }], AT);
}

describe("text", () => {
  test("an update is one line with everything that is known", () => {
    expect(line("update", connection())).toBe(`12:04:31 ${CURL}\n`);
  });

  test("an open says so, a partial one says that instead", () => {
    expect(line("open", connection())).toBe(`12:04:31 ${CURL} new\n`);
    expect(line("open", connection({ partial: true }))).toBe(`12:04:31 ${CURL} partial\n`);
    expect(line("update", connection({ partial: true }))).toBe(`12:04:31 ${CURL} partial\n`);
  });

  test("a close starts with its marker and ends with when and after how long", () => {
    expect(line("close", connection({ phase: closing }))).toBe(
      `[CLOSED] ${CURL} closed 12:04:29 after 2.0 s\n`,
    );
  });

  test("a UDP flow has neither state nor round-trip time", () => {
    expect(line("update", udpFlow())).toBe(
      "12:04:31 10.0.0.2:40000        → 9.9.9.9:53            udp resolved[77]     -           " +
        "in   120 B/s   (120 B,      1 pkts) out    40 B/s    (40 B,      1 pkts) rtt        -\n",
    );
  });

  test("raw numbers keep their units and so the words of a line", () => {
    const raw = textOutput({ style: "raw", color: false }).events(
      TABLE,
      [{ event: "update", row: connection() }],
      AT,
    );
    expect(raw).toBe(
      "12:04:31 192.168.1.5:51234     → 140.82.112.3:443      tcp curl[1234]       ESTABLISHED " +
        "in   42100000 B/s   (1200000000 B,   830000 pkts) out        340 B/s         (3400 B,       17 pkts) " +
        "rtt   23100 us\n",
    );
    expect(raw.split(/\s+/).length).toBe(line("update", connection()).split(/\s+/).length);
  });

  test.each([
    ["spaces", "Web Content", "Web\\x20Content[5]"],
    ["escape sequences", "\x1b[2J", "\\x1b[2J[5]"],
    ["line ends", "a\n[CLOSED] b", "a\\x0a[CLOSED]\\x20b[5]"],
  ])("a process name with %s is one harmless word", (_, process, shown) => {
    const owner = { pid: 5, process, uid: 0, cgroupId: null, startNs: null };
    expect(line("update", connection({ owner })).split(/\s+/)[5]).toBe(shown);
  });

  test("the columns move once for a long address and then stay", () => {
    const output = textOutput({ style: "human", color: false });
    const long = connection({ local: { address: "2001:db8:1111:2222:3333:4444:5555:6666", port: 65535 } });
    const arrows = [connection(), long, connection()].map((row) =>
      output.events(TABLE, [{ event: "update", row }], AT).indexOf("→"),
    );
    expect(arrows).toEqual([31, 56, 56]);
  });

  test("colour marks what is new and what is over, and only if asked for", () => {
    expect(line("open", connection(), true)).toBe(`\x1b[32m12:04:31 ${CURL} new\x1b[0m\n`);
    expect(line("close", connection({ phase: closing }), true)).toBe(
      `\x1b[2m[CLOSED] ${CURL} closed 12:04:29 after 2.0 s\x1b[0m\n`,
    );
    expect(line("update", connection(), true)).toBe(`12:04:31 ${CURL}\n`);
    expect(line("open", connection({ partial: true }), true)).toBe(`12:04:31 ${CURL} partial\n`);
  });

  test("the time of day is local", () => {
    vi.stubEnv("TZ", "Asia/Kolkata");
    expect(line("update", connection()).slice(0, 8)).toBe("17:34:31");
  });

  test("the start says backend, kernel and each step down, made harmless", () => {
    const stepDowns = [{ backend: "fentry", reason: "no\nBTF" }];
    const info = { version: "1.2.3", backend: "kprobe", kernel: "6.1.0", stepDowns, facts: new Map() };
    expect(textOutput({ style: "human", color: false }).start(info, AT)).toBe(
      "# tcptop 1.2.3: backend kprobe, kernel 6.1.0\n# fentry: no\\x0aBTF\n",
    );
  });

  test("a socket that only waits is not new, whenever it is seen first", () => {
    const remote = { address: "::", port: 0 };
    const listener = connection({ remote, state: "LISTEN" });
    expect(line("open", listener)).not.toMatch(/ new$/m);
    expect(line("open", listener, true)).not.toContain("\x1b");
    expect(line("open", connection({ state: "TIME_WAIT" }))).not.toMatch(/ new$/m);
  });

  test("losses are told when they change, and only then", () => {
    const output = textOutput({ style: "human", color: true });
    const summary = (bytesUntracked: number, eventsSkipped: number) =>
      output.summary(
        summaryOf(snapshot({ losses: { ...NO_LOSSES, bytesUntracked } })),
        { ...NONE_SKIPPED, eventsSkipped },
        AT,
      );
    const bytes = "3.4 kB in no row and no total";
    expect([summary(0, 0), summary(3_400, 0), summary(3_400, 0), summary(3_400, 1)]).toEqual([
      "",
      `\x1b[33m# 12:04:31 incomplete: ${bytes}\x1b[0m\n`,
      "",
      `\x1b[33m# 12:04:31 incomplete: ${bytes}; 1 event not written, the reader was too slow\x1b[0m\n`,
    ]);
  });

  test("what was only late is not told", () => {
    const losses = { ...NO_LOSSES, recordsDeferred: 200_113 };
    const output = textOutput({ style: "human", color: false });
    expect(
      output.summary(summaryOf(snapshot({ losses })), { refreshesSkipped: 2, eventsSkipped: 0 }, AT),
    ).toBe("");
  });
});
