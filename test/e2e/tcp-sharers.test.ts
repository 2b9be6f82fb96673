/** TCP sockets in several hands: who is named, who is told as one of several, and how many records that takes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeRecords } from "../../src/lenses/flows/decode.ts";
import { RecordKind } from "../../src/lenses/flows/record.ts";
import { memorySource, readAll } from "../support/recordings.ts";
import { backends, type FlowEnd, facts, scaled, sharedTcptop, startOrSkip, Traffic } from "./harness.ts";

const SCENARIOS: readonly (readonly [
  title: string,
  isShared: boolean,
  scenario: string,
  args?: Record<string, number>,
])[] = [
  ["inherited by a child", false, "tcp-fork"],
  ["handed over by SCM_RIGHTS", false, "tcp-scm-rights"],
  ["used by four processes, one after the other", false, "tcp-turns", { users: 4, exchanges: 4 }],
  ["used by five processes, one after the other", true, "tcp-turns", { users: 5, exchanges: 5 }],
  ["used by a child, then by its parent again", true, "tcp-turns", { users: 2, exchanges: 3 }],
];

const folder = mkdtempSync(join(tmpdir(), "tcptop-sharers-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** When the recording has OWNER records of this flow, CLOCK_MONOTONIC. */
async function ownerTimes(path: string, end: FlowEnd): Promise<number[]> {
  const { calls, error } = await readAll(memorySource(readFileSync(path)));
  if (error !== null) throw error;
  const times: number[] = [];
  for (const call of calls) {
    if (call[0] !== "records") continue;
    decodeRecords(Buffer.from(call[1], "hex"), ({ kind, timeNs, localPort, remotePort, netns }) => {
      const isOfEnd = localPort === end.local_port && remotePort === end.remote_port && netns === end.netns;
      if (kind === RecordKind.owner && isOfEnd) times.push(timeNs);
    });
  }
  return times;
}

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required);
  beforeAll(shared.open);
  afterAll(shared.close);

  test.for(SCENARIOS)("%s: shared is %s (%s)", async ([, isShared, scenario, args = {}], context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const ends = await new Traffic(scenario, args).ends(context);
    const closes = await tcptop.closesOf(ends, since);

    expect(facts(closes)).toEqual(facts(ends));
    expect(closes.filter((row) => row.shared).map(({ local_port }) => local_port)).toEqual(
      ends.filter(({ end }) => isShared && end === "server").map(({ local_port }) => local_port),
    );
  });

  test("two processes in turns thousands of times: one record a second (tcp-turns)", async (context) => {
    const file = join(folder, `${backend}.tcptop`);
    const tcptop = await startOrSkip(context, required, {}, backend, "--record", file);
    const exchanges = 2 * scaled(2000);
    const ends = await new Traffic("tcp-turns", { exchanges }).ends(context);
    const closes = await tcptop.closesOf(ends, 0);
    await tcptop.stop();

    expect(facts(closes)).toEqual(facts(ends));
    expect(closes.map(({ process, shared }) => [process, shared]).sort()).toEqual([
      ["tt-client", false],
      ["tt-user-1", true],
    ]);
    const used = ends.filter(({ process }) => process === "tt-user-1");
    expect(used.map(({ bytes_in }) => bytes_in)).toEqual([10 * exchanges]);
    const times = await Promise.all(used.map((end) => ownerTimes(file, end)));
    expect(times).toHaveLength(1);
    for (const list of times) {
      const seconds = ((list.at(-1) ?? 0) - (list[0] ?? 0)) / 1e9;
      expect(list).not.toEqual([]);
      expect(list.length - 1).toBeLessThanOrEqual(Math.ceil(seconds));
    }
  });

  test("a change without a record of its own and without a byte is shown (tcp-turns)", async (context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const traffic = new Traffic("tcp-turns", { users: 3, exchanges: 4, idle: 2, hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    // The second call comes within a second of the first, whatever record that had.
    await traffic.ready(2);
    const latest = () =>
      tcptop.rows.slice(since).findLast(({ process }) => /^tt-(user|server)/.test(process));
    expect([await tcptop.until(() => latest()?.process === "tt-user-2"), latest()?.event]).toEqual([
      true,
      "update",
    ]);
    traffic.go();
    const ends = await traffic.ends(context);
    const closes = await tcptop.closesOf(ends, since);
    expect(facts(closes)).toEqual(facts(ends));
  });
});
