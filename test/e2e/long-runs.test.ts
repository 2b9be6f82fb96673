/** What shows after months: constants of the programs bring it about. */
import { describe, expect, test } from "vitest";
import {
  backends,
  bpfConstants,
  eventually,
  facts,
  NO_LOSSES,
  scaled,
  startOrSkip,
  Traffic,
} from "./harness.ts";

const DAY_NS = 86_400e9;
/** Room for every event even where this machine is too busy to empty the ring in time. */
const LARGE_RING = ["--ring-bytes", String(16 << 20)];

describe.for(backends)("%s", ([backend, required]) => {
  test("after 110 days: closes that find the ring buffer full are not lost", async (context) => {
    const env = bpfConstants({ start_ns: -110 * DAY_NS });
    const tcptop = await startOrSkip(context, required, { env }, backend, "--ring-bytes", "4096");
    await tcptop.freeze();
    const ends = await new Traffic("tcp-short", { count: scaled(300) }).ends(context);
    tcptop.signal("SIGCONT");

    expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
    const { records_deferred, ...others } = tcptop.losses();
    expect(records_deferred).toBeGreaterThan(0);
    expect({ ...others, records_deferred: 0 }).toEqual(NO_LOSSES);
    // What waited is taken away. Others' connections are in the table too.
    const table = "tcp_flows";
    const isTaken = async () => ((await tcptop.tableEntries())[table] ?? ends.length) < ends.length / 2;
    expect(await eventually(isTaken)).toBe(true);
  });

  test("segment counters that wrap without an event", async (context) => {
    // Each segment counts as many: a counter is half through after 32,768 of them, or 2,048 where traffic is slow.
    const shift = scaled(10) < 10 ? 20 : 16;
    const env = bpfConstants({ segs_shift: shift });
    const options = [...LARGE_RING, "--interval", "0.1"];
    const tcptop = await startOrSkip(context, required, { env }, backend, ...options);
    const witness = await startOrSkip(context, required, {}, backend, ...options);
    const ends = await new Traffic("tcp-tiny", { count: scaled(50_000) }).ends(context);
    const packetsOf = (closes: Awaited<ReturnType<typeof tcptop.closesOf>>, factor: number) =>
      closes.map((row) => [row.local_port, row.packets_in * factor, row.packets_out * factor]).sort();
    const seen = packetsOf(await witness.closesOf(ends, 0), 2 ** shift);

    expect(seen).toHaveLength(2);
    for (const [, packetsIn, packetsOut] of seen) {
      expect(packetsIn).toBeGreaterThan(2 ** 31);
      expect(packetsOut).toBeGreaterThan(2 ** 31);
    }
    expect(packetsOf(await tcptop.closesOf(ends, 0), 1)).toEqual(seen);
  });
});
