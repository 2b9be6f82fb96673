/**
 * Tables that are too small: what is missing of the rows is what the counters say, to the flow and to the byte. The
 * counters are the machine's, whatever the namespace: a second tcptop with room for everything says whether anything
 * else moved meanwhile.
 */
import { describe, expect, type TestContext, test } from "vitest";
import {
  addresses,
  backends,
  type FlowEnd,
  facts,
  type Row,
  startOrSkip,
  type Tcptop,
  Traffic,
  UDP_CROWD_TIMEOUT_S,
} from "./harness.ts";
import { rowsAround } from "./namespaces.ts";

const TRIES = 5;

function nameOf(flow: FlowEnd | Row): string {
  return `${flow.local_port} ${flow.remote_port}`;
}

/** Whether whatever else moved has rows in both. */
function isQuiet(tcptop: Tcptop, witness: Tcptop, ends: readonly FlowEnd[], since: number): boolean {
  const ours = new Set(rowsAround(witness, ends, since));
  const known = new Set(addresses(tcptop.rows));
  const others = witness.rows.slice(since).filter((row) => !ours.has(row));
  return addresses(others).every((address) => known.has(address));
}

/** What came of traffic during which nothing else found a table full; skips the test where that cannot be had. */
async function quietly(
  context: TestContext,
  [tcptop, witness]: readonly [Tcptop, Tcptop],
  scenario: string,
  args: Readonly<Record<string, number>>,
) {
  for (let i = 0; i < TRIES; i++) {
    // What others did before is shown first.
    await Promise.all([tcptop.refreshed(), witness.refreshed()]);
    const before = tcptop.losses();
    const since = tcptop.rows.length;
    const sinceWitness = witness.rows.length;
    const ends = await new Traffic(scenario, { ...args, hold: 1 }).ends(context);
    const closes = (of: Tcptop, from: number) =>
      rowsAround(of, ends, from).filter(({ event }) => event === "close");
    await witness.until(() => closes(witness, sinceWitness).length >= ends.length);
    const opened = () => rowsAround(tcptop, ends, since).filter(({ event }) => event === "open").length;
    await tcptop.until(() => closes(tcptop, since).length >= opened());
    await Promise.all([tcptop.refreshed(), witness.refreshed()]);
    if (!isQuiet(tcptop, witness, ends, sinceWitness)) continue;

    const rows = closes(tcptop, since);
    const after = tcptop.losses();
    const shown = new Set(rows.map(nameOf));
    return {
      rows,
      shown: ends.filter((end) => shown.has(nameOf(end))),
      missing: ends.filter((end) => !shown.has(nameOf(end))),
      lost: (name: keyof typeof after) => after[name] - before[name],
    };
  }
  return context.skip("others have traffic here all the time");
}

function sum(ends: readonly FlowEnd[], of: (end: FlowEnd) => number): number {
  return ends.reduce((total, end) => total + of(end), 0);
}

const bytesOf = (end: FlowEnd) => end.bytes_in + end.bytes_out;
const datagramsOf = (end: FlowEnd) => (end.packets_in ?? 0) + (end.packets_out ?? 0);

describe.for(backends)("%s", ([backend, required]) => {
  const startBoth = async (context: TestContext, ...small: string[]) => {
    const ring = ["--ring-bytes", String(16 << 20), "--udp-timeout", UDP_CROWD_TIMEOUT_S];
    const tcptop = await startOrSkip(context, required, {}, backend, ...ring, ...small);
    return [tcptop, await startOrSkip(context, required, {}, backend, ...ring)] as const;
  };

  test("600 connections' ends in a table for 200 (tcp-flood)", async (context) => {
    const both = await startBoth(context, "--max-tcp-flows", "200");
    const { rows, shown, missing, lost } = await quietly(context, both, "tcp-flood", { count: 300 });

    // None is partial: all are younger than tcptop.
    expect(facts(rows)).toEqual(facts(shown));
    expect(missing.length).toBeGreaterThanOrEqual(400);
    expect(lost("flows_untracked")).toBe(missing.length);
    expect(lost("bytes_untracked")).toBe(sum(missing, bytesOf));
  });

  test("800 flows' ends in a table for 100 (udp-sockets)", async (context) => {
    const both = await startBoth(context, "--max-udp-flows", "100");
    const { rows, shown, missing, lost } = await quietly(context, both, "udp-sockets", { count: 400 });

    expect(facts(rows)).toEqual(facts(shown));
    expect(missing.length).toBeGreaterThanOrEqual(700);
    expect(lost("flows_untracked")).toBe(missing.length);
    expect(lost("datagrams_untracked")).toBe(sum(missing, datagramsOf));
    expect(lost("bytes_untracked")).toBe(sum(missing, bytesOf));
  });
});
