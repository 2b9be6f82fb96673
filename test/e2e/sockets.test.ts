/** Sockets that are neither TCP nor UDP have no row, whatever their protocol's number, and do not change others'. */
import { describe, test } from "vitest";
import { backends, sharedTcptop, Traffic, UDP_CROWD_TIMEOUT_S } from "./harness.ts";
import { expectRows, testUnderAndBefore } from "./namespaces.ts";

const SCENARIOS = [
  ["every socket that can be made", "sockets"],
  ["connected raw sockets of protocol TCP", "raw-tcp"],
  ["connected raw sockets of Multipath TCP's number", "raw-multipath"],
  ["connected sockets of NETLINK_XFRM", "netlink-xfrm"],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required, "--udp-timeout", UDP_CROWD_TIMEOUT_S);
  testUnderAndBefore(SCENARIOS, shared);

  for (const [title, scenario] of [
    ["one that reads what others are sent", "raw-udp-listener"],
    ["one that sends", "raw-udp-sender"],
  ] as const) {
    test.concurrent(`a raw socket of protocol UDP, ${title} (${scenario})`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      await expectRows(tcptop, await new Traffic(scenario, { hold: 1 }).ends(context), since);
    });
  }
});
