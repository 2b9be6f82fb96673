/** UDP with several readers, through address translation and encryption, refused, damaged, crowded. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import {
  addresses,
  backends,
  type FlowEnd,
  type FlowFacts,
  facts,
  scaled,
  sharedTcptop,
  startOrSkip,
  Traffic,
} from "./harness.ts";
import { eventsAround, expectRows } from "./namespaces.ts";

const SCENARIOS: readonly (readonly [title: string, scenario: string, args?: Record<string, number>])[] = [
  ["three members of a multicast group", "udp-multicast-members"],
  ["three readers of a broadcast address", "udp-broadcast-members"],
  ["two sockets with one address (SO_REUSEPORT) and one peer", "udp-reuseport"],
  ["to a translated address", "udp-dnat"],
  ["to a translated address, connected", "udp-dnat", { connected: 1 }],
  ["redirected", "udp-redirect"],
  ["redirected, connected", "udp-redirect", { connected: 1 }],
  ["masqueraded", "udp-masquerade"],
  ["masqueraded, connected", "udp-masquerade", { connected: 1 }],
  ["over IPsec", "udp-ipsec"],
  ["over IPsec, connected", "udp-ipsec", { connected: 1 }],
  ["sends denied by another cgroup program", "udp-denied-out"],
  ["arrivals denied by another cgroup program", "udp-denied-in"],
  ["datagrams with a wrong checksum", "udp-bad-checksum"],
  ["a full queue, of which the program wants to know", "udp-queue-full", { recverr: 1 }],
  ["a full queue, of which the program is not told", "udp-queue-full", { recverr: 0 }],
];

// Datagrams that leave encrypted before tcptop knows of IPsec are not exact, but counted as untracked.
beforeAll(() => {
  spawnSync("modprobe", ["--all", "--quiet", "esp4", "esp6"]);
});

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required, "--ring-bytes", String(16 << 20), "--udp-timeout", "2");
  beforeAll(shared.open);
  afterAll(shared.close);

  async function eventsOf(scenario: string, context: TestContext) {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const ends = await new Traffic(scenario, { hold: 1 }).ends(context);
    return { ends, ...(await eventsAround(tcptop, ends, since)) };
  }

  for (const [title, scenario, args = {}] of SCENARIOS) {
    test.concurrent(`${title} (${scenario})`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      await expectRows(tcptop, await new Traffic(scenario, { ...args, hold: 1 }).ends(context), since);
    });
  }

  test.concurrent("two processes that read one socket are told as such (udp-prefork)", async (context) => {
    const { ends, closes } = await eventsOf("udp-prefork", context);
    const nobody = (flows: readonly FlowFacts[]) =>
      facts(flows.map((flow) => ({ ...flow, pid: 0, process: "" })));

    expect(nobody(closes)).toEqual(nobody(ends));
    const server = closes.find((row) => row.bytes_in > 0);
    expect(["tp-first", "tp-second"]).toContain(server?.process);
    expect(closes.map((row) => [row.bytes_out > 0, row.shared])).toEqual(
      expect.arrayContaining([
        [true, false],
        [false, true],
      ]),
    );
  });

  test.concurrent("a socket that nobody reads has the process that bound it (udp-unread)", async (context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const traffic = new Traffic("udp-unread", { hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    const ends = await traffic.ends(context);
    // What is not read is delivered: only this backend sees that.
    const seen = ends.filter((end: FlowEnd) => backend === "tracepoint" || end.end === "client");
    const { closes } = await eventsAround(tcptop, seen, since);

    expect(facts(closes)).toEqual(facts(seen));
    for (const row of closes) expect(row.assumed).toBe(row.bytes_in > 0);
  });

  test.concurrent("eight processes that interrupt each other (udp-rush)", async (context) => {
    // Some wait for long while others have the processors.
    const tcptop = await startOrSkip(context, required, {}, backend, "--udp-timeout", "10");
    const ends = await new Traffic("udp-rush", { count: scaled(20_000), hold: 1 }).ends(context);

    if (!JSON.stringify(tcptop.start["step_downs"]).includes("may be missed")) {
      await expectRows(tcptop, ends, 0);
      return;
    }
    // The kernel skips fentry's programs where it has preempted them: what is missing is counted.
    const { opens, closes } = await eventsAround(tcptop, ends, 0);
    const uncounted = (flows: readonly FlowFacts[]) =>
      facts(flows.map((flow) => ({ ...flow, bytes_in: 0, bytes_out: 0, packets_in: 0, packets_out: 0 })));
    const datagrams = (flows: readonly FlowFacts[]) =>
      flows.reduce((sum, flow) => sum + (flow.packets_in ?? 0) + (flow.packets_out ?? 0), 0);
    expect(uncounted(closes)).toEqual(uncounted(ends));
    expect(addresses(opens)).toEqual(addresses(ends));
    expect(datagrams(closes)).toBeLessThanOrEqual(datagrams(ends));
    expect(datagrams(closes) + tcptop.losses().datagrams_untracked).toBeGreaterThanOrEqual(datagrams(ends));
  });
});
