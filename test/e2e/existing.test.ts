/** Flows older than tcptop: shown at once with their owners, marked partial, exact from then on. */
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { addresses, backends, type FlowEnd, facts, sharedTcptop, Traffic } from "./harness.ts";

const SCENARIOS = [
  ["TCP with data in flight", "existing-tcp"],
  ["TCP over IPv6", "existing-tcp6"],
  ["a receiver that waits in recv()", "existing-blocked"],
  ["a sender that waits in send()", "existing-stuck"],
  ["a connection on which nothing moves", "existing-idle"],
  ["connected UDP", "existing-udp"],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required, "--udp-timeout", "5");
  const traffic = new Map<string, Traffic>();

  beforeAll(async () => {
    for (const [, scenario] of SCENARIOS) traffic.set(scenario, new Traffic(scenario));
    for (const one of traffic.values()) await one.ready();
    await shared.open();
    await shared.settled();
    for (const one of traffic.values()) one.go();
  });
  afterAll(shared.close);

  async function endsOf(scenario: string, context: TestContext): Promise<FlowEnd[]> {
    const one = traffic.get(scenario);
    if (!one) throw new Error(`${scenario} does not run`);
    return one.ends(context);
  }

  test.for(SCENARIOS)("%s (%s)", async ([, scenario], context) => {
    const tcptop = shared.use(context);
    const ends = await endsOf(scenario, context);
    const closes = await tcptop.closesOf(ends, 0);

    expect(facts(closes)).toEqual(facts(ends));
    const opens = tcptop.rowsOf(ends, 0).filter((row) => row.event === "open");
    expect(addresses(opens)).toEqual(addresses(ends));
    // Nothing has moved when tcptop shows them first: all it knows then is from seeding.
    expect(facts(opens)).toEqual(
      facts(ends.map((end) => ({ ...end, bytes_in: 0, bytes_out: 0, packets_in: 0, packets_out: 0 }))),
    );
  });
});
