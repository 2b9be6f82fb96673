/** Sockets of one network namespace with the same addresses and ports are flows of their own. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { backends, sharedTcptop, Traffic, UDP_CROWD_TIMEOUT_S } from "./harness.ts";
import { expectRows, startedAfter } from "./namespaces.ts";

const SCENARIOS = [
  ["TCP on two devices", "tcp-twins-device"],
  ["TCP in two zones", "tcp-twins-zone"],
  ["TCP in two VRFs", "tcp-twins-vrf"],
  ["UDP on two devices", "udp-twins-device"],
  ["UDP in two zones", "udp-twins-zone"],
  ["UDP in two VRFs", "udp-twins-vrf"],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required, "--udp-timeout", UDP_CROWD_TIMEOUT_S);
  const older = startedAfter(SCENARIOS, shared);
  beforeAll(older.open);
  afterAll(older.close);

  for (const [title, scenario] of SCENARIOS) {
    test.concurrent(`${title}, made under tcptop (${scenario})`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      const traffic = new Traffic(scenario, { hold: 1 });
      await traffic.ready();
      await tcptop.refreshed();
      traffic.go();
      await expectRows(tcptop, await traffic.ends(context), since);
    });

    test.concurrent(`${title}, older than tcptop (${scenario})`, (context) =>
      older.expectRows(scenario, context));
  }
});
