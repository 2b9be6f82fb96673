/** Every flow that the traffic program makes appears once, with its owner, exact to the byte. */
import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import {
  addresses,
  backends,
  type FlowFacts,
  facts,
  NO_LOSSES,
  OWN_NETNS,
  scaled,
  sharedTcptop,
  Traffic,
  trueLosses,
} from "./harness.ts";
import { eventsAround } from "./namespaces.ts";

const TCP_STATE_AT_END = expect.stringMatching(/^(CLOSE|TIME_WAIT)$/);

/** What the traffic shows, the scenario, its size. */
const SCENARIOS: readonly (readonly [title: string, scenario: string, args?: Record<string, number>])[] = [
  ["bulk transfer both ways", "tcp-bulk", { size: scaled(200_000_000) + 7 }],
  ["64-byte ping-pong", "tcp-tiny", { count: scaled(10_000) }],
  ["short connections", "tcp-short", { count: 1000, size: 20_000 }],
  ["connections at the same time", "tcp-concurrent", { count: scaled(300) }],
  ["IPv6", "tcp-ipv6"],
  ["an IPv4 client of an IPv6 server", "tcp-mapped"],
  ["sendfile", "tcp-sendfile"],
  ["splice from a pipe, and to one as the only reader", "tcp-splice"],
  ["MSG_WAITALL", "tcp-waitall"],
  ["MSG_PEEK before reading", "tcp-peek"],
  ["MSG_TRUNC, which drops instead of copying", "tcp-truncated"],
  ["an urgent byte", "tcp-urgent"],
  ["EAGAIN on both sides, buffers full", "tcp-eagain", { size: scaled(20_000_000) }],
  ["writev and readv", "tcp-vectors"],
  ["sendmmsg and recvmmsg", "tcp-mmsg"],
  ["TCP_CORK, MSG_MORE and TCP_NODELAY", "tcp-cork"],
  ["MSG_ZEROCOPY", "tcp-zerocopy"],
  ["receive by mapping pages", "tcp-mapped-receive"],
  ["io_uring", "tcp-io-uring"],
  ["io_uring's worker threads", "tcp-io-uring", { async: 1 }],
  ["a connection without any data", "tcp-no-data"],
  ["half-close, the other side sends on", "tcp-half-close"],
  ["data read after the state is CLOSE", "tcp-read-after-close"],
  ["reset", "tcp-reset"],
  ["reset with data unread", "tcp-reset-unread"],
  ["data read after the reset came", "tcp-read-after-reset"],
  ["data unread at close", "tcp-unread"],
  ["connection refused", "tcp-refused"],
  ["one socket, disconnected and connected again", "tcp-reconnect"],
  ["TCP Fast Open: data in the SYN", "tcp-fastopen"],
  ["a socket inherited by a child", "tcp-fork"],
  ["a socket handed over by SCM_RIGHTS", "tcp-scm-rights"],
  ["a socket kept across exec", "tcp-exec"],
  ["threads with names of their own", "tcp-threads"],
  ["one thread sends while another receives", "tcp-duplex"],
  ["processes that live for a millisecond", "tcp-mayfly", { count: scaled(100) }],
  ["a process killed in the middle", "tcp-killed"],
  ["two network namespaces with equal addresses and ports", "netns-twins"],
  ["UDP, connected and not", "udp-connected", { count: scaled(5000) }],
  ["UDP bursts both ways at once", "udp-bulk", { count: scaled(6400) }],
  ["processes that ask once by UDP", "udp-mayfly", { count: scaled(100) }],
  ["UDP over IPv6", "udp-ipv6"],
  ["UDP over IPv4 from IPv6 sockets", "udp-mapped"],
  ["UDP sockets bound to no address", "udp-wildcard"],
  ["UDP sockets bound to no address, IPv6", "udp-wildcard6"],
  ["one UDP socket with many peers", "udp-many", { peers: 50 }],
  ["UDP to a multicast group", "udp-multicast"],
  ["datagrams of 65,507 bytes", "udp-large"],
  ["empty datagrams", "udp-empty"],
  ["MSG_PEEK on UDP", "udp-peek"],
  ["datagrams longer than the reader's buffer", "udp-truncated"],
  ["a UDP socket inherited by a child", "udp-fork"],
  ["UDP GSO to a plain receiver", "udp-gso"],
  ["UDP GSO to a GRO receiver", "udp-gro"],
  ["corked UDP", "udp-cork"],
  ["sendmmsg and recvmmsg on UDP", "udp-mmsg"],
  ["a UDP receive buffer that overflows", "udp-overflow"],
  ["UDP sends that are refused", "udp-refused"],
  ["UDP sends that are too large", "udp-too-large"],
];

describe.for(backends)("%s", ([backend, required]) => {
  // Room for every event even where this machine is too busy to empty the ring in time.
  const options = ["--ring-bytes", String(16 << 20), "--udp-timeout", "2"];
  const shared = sharedTcptop(backend, required, ...options);
  beforeAll(shared.open);
  afterAll(shared.close);

  async function eventsOf(
    context: TestContext,
    scenario: string,
    args: Readonly<Record<string, number>> = {},
  ) {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const ends = await new Traffic(scenario, { ...args, ...OWN_NETNS }).ends(context);
    return { ends, ...(await eventsAround(tcptop, ends, since)) };
  }

  test.concurrent.for(SCENARIOS)("%s (%s)", async ([, scenario, args], context) => {
    const { ends, opens, closes } = await eventsOf(context, scenario, args);

    expect(facts(closes)).toEqual(facts(ends));
    expect(addresses(opens)).toEqual(addresses(ends));
    for (const row of closes) expect(row.state).toEqual(row.proto === "udp" ? null : TCP_STATE_AT_END);
  });

  test.concurrent("Multipath TCP: the programs own the TCP sockets under it", async (context) => {
    const { ends, closes } = await eventsOf(context, "tcp-multipath");

    const withoutBytes = (flows: readonly FlowFacts[]) =>
      facts(flows.map((flow) => ({ ...flow, bytes_in: 0, bytes_out: 0 })));
    expect(withoutBytes(closes)).toEqual(withoutBytes(ends));
    // What Multipath TCP sends again is new to TCP.
    const sum = (flows: readonly FlowFacts[], field: "bytes_in" | "bytes_out") =>
      flows.reduce((total, flow) => total + flow[field], 0);
    expect(sum(closes, "bytes_in")).toBeGreaterThanOrEqual(sum(ends, "bytes_in"));
    expect(sum(closes, "bytes_out")).toBeGreaterThanOrEqual(sum(closes, "bytes_in"));
  });

  test.concurrent("a connection's segments and round-trip times", async (context) => {
    const { closes } = await eventsOf(context, "tcp-tiny", { count: 500 });

    expect(closes).toHaveLength(2);
    for (const row of closes) {
      // One segment a message, two to open, at least one to end; acknowledgements ride on the answers.
      expect(row.packets_in).toBeGreaterThan(500);
      expect(row.packets_in).toBeLessThan(1100);
      expect(row.packets_out).toBeGreaterThan(500);
      expect(row.packets_out).toBeLessThan(1100);
      expect(row.rtt_us).toBeGreaterThan(0);
    }
  });

  test("nothing was lost, and it says so", (context) => {
    expect(trueLosses(shared.use(context).losses())).toEqual(NO_LOSSES);
  });

  test("the start record names backend and kernel", (context) => {
    expect(shared.use(context).start).toMatchObject({ backend, kernel: release() });
  });
});
