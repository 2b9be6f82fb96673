/** Sockets that are neither TCP nor UDP have no row, whatever their protocol's number, and do not change others'. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { backends, sharedTcptop, startOrSkip, Traffic } from "./harness.ts";
import { expectExistingRows, expectRows } from "./namespaces.ts";

const SCENARIOS = [
  ["every socket that can be made", "sockets"],
  ["connected raw sockets of protocol TCP", "raw-tcp"],
  ["connected raw sockets of Multipath TCP's number", "raw-multipath"],
  ["connected sockets of NETLINK_XFRM", "netlink-xfrm"],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  describe("made under tcptop", () => {
    for (const [title, scenario] of SCENARIOS) {
      test(`${title} (${scenario})`, async (context) => {
        const tcptop = await startOrSkip(context, required, {}, backend, "--udp-timeout", "4");
        const traffic = new Traffic(scenario, { hold: 1 });
        await traffic.ready();
        await tcptop.refreshed();
        await tcptop.refreshed();
        traffic.go();
        await expectRows(tcptop, await traffic.ends(context), 0);
      });
    }
  });

  describe("older than tcptop", () => {
    for (const [title, scenario] of SCENARIOS) {
      test(`${title} (${scenario})`, (context) => expectExistingRows(context, [backend, required], scenario));
    }
  });

  test("400 raw sockets of an ordinary user and a table of 256", async (context) => {
    const tcptop = await startOrSkip(context, required, {}, backend, "--max-tcp-flows", "256");
    const traffic = new Traffic("raw-crowd", { hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    await expectRows(tcptop, await traffic.ends(context), 0);
  });

  describe("raw sockets of protocol UDP", () => {
    const shared = sharedTcptop(backend, required);
    beforeAll(shared.open);
    afterAll(shared.close);

    for (const [title, scenario] of [
      ["one that reads what others are sent", "raw-udp-listener"],
      ["one that sends", "raw-udp-sender"],
    ] as const) {
      test(`${title} (${scenario})`, async (context) => {
        const tcptop = shared.use(context);
        const since = tcptop.rows.length;
        await expectRows(tcptop, await new Traffic(scenario, { hold: 1 }).ends(context), since);
      });
    }
  });
});
