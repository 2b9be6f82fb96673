// The traffic of the scorecard: scenarios of test/traffic, and where their ends are.

/** @typedef {"link" | "container" | "loopback"} Place */

/**
 * @typedef {object} Scenario
 * @property {string} title
 * @property {string} traffic
 * @property {Place} [place]
 * @property {Record<string, number>} [args]
 * @property {Record<string, number>} [scaled]
 */

/**
 * `place`: "link" (the default) has the client at the near end of a veth pair and the server in the peer
 * namespace; "container" the same with the client in PID and cgroup namespaces and a control group of its
 * own; "loopback" both in one namespace. Sizes and counts in `scaled` shrink on slow machines.
 * @type {Scenario[]}
 */
export const SCENARIOS = [
  { title: "TCP bulk down", traffic: "tcp-down", scaled: { size: 100_000_007 } },
  { title: "TCP bulk up", traffic: "tcp-up", scaled: { size: 100_000_007 } },
  {
    title: "TCP down at 100 Mbit/s",
    traffic: "tcp-down",
    args: { rate: 12_500_000 },
    scaled: { size: 50_000_007 },
  },
  { title: "TCP bulk both ways at once", traffic: "tcp-duplex", scaled: { size: 50_000_007 } },
  { title: "TCP over IPv6", traffic: "tcp-ipv6", scaled: { size: 50_000_007 } },
  { title: "UDP bulk both ways at once", traffic: "udp-bulk", scaled: { count: 32_000 } },
  { title: "UDP to port 443", traffic: "udp-bulk", args: { port: 443, size: 1252 }, scaled: { count: 6400 } },
  { title: "UDP over IPv6", traffic: "udp-ipv6", args: { most: 600 }, scaled: { count: 5000 } },
  {
    title: "many small datagrams (16 bytes)",
    traffic: "udp-bulk",
    args: { size: 16 },
    scaled: { count: 64_000 },
  },
  { title: "short-lived processes, TCP", traffic: "tcp-mayfly", scaled: { count: 200 } },
  { title: "short-lived processes, UDP", traffic: "udp-mayfly", scaled: { count: 200 } },
  { title: "io_uring send and receive", traffic: "tcp-io-uring", scaled: { size: 20_000_007 } },
  {
    title: "io_uring, worker threads",
    traffic: "tcp-io-uring",
    args: { async: 1 },
    scaled: { size: 20_000_007 },
  },
  { title: "sendfile", traffic: "tcp-sendfile", scaled: { size: 20_000_007 } },
  { title: "splice in and out", traffic: "tcp-splice", scaled: { size: 20_000_007 } },
  { title: "sendmmsg and recvmmsg, TCP", traffic: "tcp-mmsg" },
  { title: "sendmmsg and recvmmsg, UDP", traffic: "udp-mmsg" },
  { title: "loopback only, TCP", traffic: "tcp-bulk", place: "loopback", scaled: { size: 50_000_007 } },
  { title: "loopback only, UDP", traffic: "udp-connected", place: "loopback", scaled: { count: 5000 } },
  { title: "a container, TCP", traffic: "tcp-bulk", place: "container", scaled: { size: 20_000_007 } },
  { title: "a container, UDP", traffic: "udp-bulk", place: "container", scaled: { count: 6400 } },
  { title: "low and slow (420 bytes in 4 s)", traffic: "tcp-slow" },
  { title: "many small connections", traffic: "tcp-short", args: { size: 200 }, scaled: { count: 1000 } },
  { title: "parallel burst", traffic: "tcp-concurrent", scaled: { count: 300 } },
  { title: "the kernel's sockets: Multipath TCP", traffic: "tcp-multipath" },
  { title: "the kernel's sockets: network block device", traffic: "tcp-block-device" },
];

/** A burst of udp-bulk: its counts are multiples of this. */
const BURST = 32;

/**
 * Arguments of the traffic program at this scale.
 * @param {Scenario} scenario
 * @param {number} scale
 * @returns {Record<string, number>}
 */
export function trafficArguments({ args = {}, scaled = {} }, scale) {
  const smaller = Object.entries(scaled).map(([key, value]) => [
    key,
    Math.max(BURST, Math.round((value * scale) / BURST) * BURST),
  ]);
  return { ...args, ...Object.fromEntries(smaller) };
}
