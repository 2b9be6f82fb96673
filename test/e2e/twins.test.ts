/** Sockets of one network namespace with the same addresses and ports are flows of their own. */
import { describe } from "vitest";
import { backends, sharedTcptop, UDP_CROWD_TIMEOUT_S } from "./harness.ts";
import { testUnderAndBefore } from "./namespaces.ts";

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
  testUnderAndBefore(SCENARIOS, shared);
});
