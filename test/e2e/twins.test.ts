/** Sockets of one network namespace with the same addresses and ports are flows of their own. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { backends, sharedTcptop, Traffic } from "./harness.ts";
import { expectExistingRows, expectRows } from "./namespaces.ts";

const SCENARIOS = [
  ["TCP on two devices", "tcp-twins-device"],
  ["TCP in two zones", "tcp-twins-zone"],
  ["TCP in two VRFs", "tcp-twins-vrf"],
  ["UDP on two devices", "udp-twins-device"],
  ["UDP in two zones", "udp-twins-zone"],
  ["UDP in two VRFs", "udp-twins-vrf"],
] as const;

describe.for(backends)("%s", ([backend, required]) => {
  describe("made under tcptop", () => {
    const shared = sharedTcptop(backend, required, "--udp-timeout", "5");
    beforeAll(shared.open);
    afterAll(shared.close);

    for (const [title, scenario] of SCENARIOS) {
      test(`${title} (${scenario})`, async (context) => {
        const tcptop = shared.use(context);
        const since = tcptop.rows.length;
        const traffic = new Traffic(scenario, { hold: 1 });
        await traffic.ready();
        await tcptop.refreshed();
        traffic.go();
        await expectRows(tcptop, await traffic.ends(context), since);
      });
    }
  });

  describe("older than tcptop", () => {
    for (const [title, scenario] of SCENARIOS) {
      test(`${title} (${scenario})`, (context) => expectExistingRows(context, [backend, required], scenario));
    }
  });
});
