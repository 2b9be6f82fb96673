/** A flood of connections: little memory, and every end is in the stream or counted. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backends, churn, scaled, sharedTcptop } from "./harness.ts";

const MOST_RSS_KB = 250_000;

/** The largest that a process was, in kB. */
function peakRssKb(pid: number): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required, "-d", "1");
  beforeAll(shared.open);
  afterAll(shared.close);

  test("of as many as the machine can make, for five seconds", async (context) => {
    const tcptop = shared.use(context);
    const connections = await churn(scaled(36_000), 5);
    const ends = () =>
      tcptop.rows.filter(({ event, bytes_in }) => event === "close" && bytes_in === 100).length;
    const told = () => {
      const { flows_untracked, closes_lost } = tcptop.losses();
      return ends() + flows_untracked + closes_lost;
    };
    await tcptop.until(() => told() >= 2 * connections);
    await tcptop.refreshed();

    expect(connections).toBeGreaterThan(0);
    const { records_deferred, ...losses } = tcptop.losses();
    expect(records_deferred).toBeGreaterThanOrEqual(0);
    expect(told()).toBe(2 * connections);
    expect(losses.events_skipped).toBe(0);
    expect(peakRssKb(tcptop.pid)).toBeLessThan(MOST_RSS_KB);
  });
});
