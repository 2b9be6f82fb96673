/** TCP connections that end unused, that nobody accepts, that do not begin as others do or whose bytes bypass TCP. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addresses, backends, facts, scaled, sharedTcptop, startOrSkip, Traffic } from "./harness.ts";
import { eventsAround, expectRows, rowsAround, startedAfter } from "./namespaces.ts";

const SCENARIOS: readonly (readonly [title: string, scenario: string, args?: Record<string, number>])[] = [
  ["accepted while 100 processes wait in accept()", "tcp-accept-many"],
  ["restored connections (TCP_REPAIR)", "tcp-repair"],
  ["a kTLS socket used by a child", "tcp-ktls-child"],
  ["redirected messages (sockmap)", "tcp-sockmap-message", { size: scaled(1_000_000) }],
  ["a proxy in the kernel (sockmap)", "tcp-sockmap-proxy", { size: scaled(1_000_000) }],
];

/** Those that are older than tcptop too; the connects go on for long enough for tcptop to start. */
const OLDER = [
  ["not accepted", "tcp-unaccepted"],
  ["connects in vain", "tcp-connect-in-vain", { retries: scaled(10) < 10 ? 4 : 2 }],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required);
  const older = startedAfter(OLDER, shared);
  beforeAll(older.open);
  afterAll(older.close);

  for (const [title, scenario, args = {}] of SCENARIOS) {
    test.concurrent(`${title} (${scenario})`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      await expectRows(tcptop, await new Traffic(scenario, { ...args, hold: 1 }).ends(context), since);
    });
  }

  for (const [title, late] of [
    ["accepted, then reset by the peer", 0],
    ["reset by the peer, then accepted", 1],
  ] as const) {
    test.concurrent(`${title} (tcp-reset-at-once)`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      const ends = await new Traffic("tcp-reset-at-once", { late, count: scaled(100), hold: 1 }).ends(
        context,
      );
      const { opens, closes } = await eventsAround(tcptop, ends, since);

      expect(facts(closes)).toEqual(facts(ends));
      expect(addresses(opens)).toEqual(addresses(ends));
      // Who accepted a socket and closed it has used it.
      for (const row of closes) expect(row.assumed).toBe(false);
    });
  }

  test.concurrent("not accepted: its listener's process, assumed (tcp-unaccepted)", async (context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const traffic = new Traffic("tcp-unaccepted", { hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    const ends = await traffic.ends(context);
    await expectRows(tcptop, ends, since);

    const closes = rowsAround(tcptop, ends, since).filter(({ event }) => event === "close");
    for (const row of closes) expect(row.assumed).toBe(row.process === "te-listener");
  });

  test.concurrent("not accepted since before tcptop: its listener's process, assumed (tcp-unaccepted)", async (context) => {
    const tcptop = shared.use(context);
    const ends = await older.ends("tcp-unaccepted", context);
    await expectRows(tcptop, ends, 0);

    const closes = rowsAround(tcptop, ends, 0).filter(({ event }) => event === "close");
    for (const row of closes) expect(row.assumed).toBe(row.process === "te-listener");
  });

  test.concurrent("one pair of addresses 40 times: each has a name of its own (tcp-reused)", async (context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const ends = await new Traffic("tcp-reused", { hold: 1 }).ends(context);
    const { opens, closes } = await eventsAround(tcptop, ends, since);
    const flowsOf = (rows: typeof opens) => new Set(rows.map(({ flow }) => flow));

    expect(facts(closes)).toEqual(facts(ends));
    expect(opens).toHaveLength(ends.length);
    expect(flowsOf(closes).size).toBe(ends.length);
    expect(flowsOf(closes)).toEqual(flowsOf(opens));
  });

  test.concurrent("connects that are under way under tcptop and then fail (tcp-connect-in-vain)", async (context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const traffic = new Traffic("tcp-connect-in-vain", { hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    await expectRows(tcptop, await traffic.ends(context), since);
  });

  test.concurrent("connects that are under way since before tcptop and then fail (tcp-connect-in-vain)", (context) =>
    older.expectRows("tcp-connect-in-vain", context));

  test.concurrent("a table that is full at the start: every row ends (existing-many)", async (context) => {
    const traffic = new Traffic("existing-many", { hold: 1 });
    await traffic.ready();
    const tcptop = await startOrSkip(context, required, {}, backend, "--max-tcp-flows", "16");
    await tcptop.refreshed();
    traffic.go();
    const ends = await traffic.ends(context);
    const rowsOf = (event: string) =>
      addresses(rowsAround(tcptop, ends, 0).filter((row) => row.event === event));
    await tcptop.until(() => rowsOf("close").length === rowsOf("open").length);
    await tcptop.refreshed();

    expect(rowsOf("close")).toEqual(rowsOf("open"));
    expect(addresses(ends)).toEqual(expect.arrayContaining(rowsOf("open")));
    // The machine has others, which may have been first.
    expect(tcptop.losses().flows_untracked).toBeGreaterThanOrEqual(ends.length - rowsOf("open").length);
    expect(rowsOf("open").length).toBeLessThanOrEqual(16);
  });
});
