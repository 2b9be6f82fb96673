/** Flows older than tcptop: shown at once with their owners, marked partial, exact from then on. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addresses, backends, facts, sharedTcptop } from "./harness.ts";
import { startedAfter } from "./namespaces.ts";

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
  const older = startedAfter(SCENARIOS, shared);
  beforeAll(older.open);
  afterAll(older.close);

  test.concurrent.for(SCENARIOS)("%s (%s)", async ([, scenario], context) => {
    const tcptop = shared.use(context);
    const ends = await older.ends(scenario, context);
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
