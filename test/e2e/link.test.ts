/** Traffic over a link between network namespaces, and what TCP knows of a link with delay and loss. */
import { statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addresses,
  backends,
  cannotRun,
  facts,
  Link,
  must,
  NO_LOSSES,
  netnsFile,
  type Row,
  run,
  scaled,
  sharedTcptop,
  type Tcptop,
  Traffic,
  trueLosses,
} from "./harness.ts";

const SCENARIOS: readonly (readonly [title: string, scenario: string, args?: Record<string, number>])[] = [
  ["TCP from the client", "tcp-up"],
  ["TCP to the client", "tcp-down"],
  ["TCP over IPv6", "tcp-ipv6"],
  ["short connections", "tcp-short", { count: scaled(500) }],
  ["processes that live for a millisecond", "tcp-mayfly", { count: scaled(50) }],
  ["UDP to port 443", "udp-connected", { port: 443 }],
  ["UDP over IPv6", "udp-ipv6"],
  ["UDP bursts both ways at once", "udp-bulk", { count: scaled(6400) }],
  ["processes that ask once by UDP", "udp-mayfly", { count: scaled(50) }],
];

/** Enough segments that one in ten lost cannot be none lost. */
const LOSSY_BYTES = 300_000;

const TCP_INFO = ["rtt_us", "rtt_var_us", "rtt_min_us", "retransmits", "bytes_retrans", "cwnd"] as const;
type TcpInfo = Readonly<Pick<Row, (typeof TCP_INFO)[number]>>;

/** What the kernel itself tells of the only connection in a network namespace, in tcptop's words. */
async function socketInfo(netns: string): Promise<TcpInfo> {
  const text = await must("ss", "-N", netns, "-Htin", "state", "established");
  const all = (pattern: RegExp): number[] => (pattern.exec(text)?.slice(1) ?? []).map(Number);
  const first = (pattern: RegExp): number | undefined => all(pattern)[0];
  const us = (ms: number | undefined): number | null => (ms === undefined ? null : Math.round(ms * 1000));
  const [rttMs, rttVarMs] = all(/ rtt:([\d.]+)\/([\d.]+)/);
  return {
    rtt_us: us(rttMs),
    rtt_var_us: us(rttVarMs),
    rtt_min_us: us(first(/ minrtt:([\d.]+)/)),
    // ss leaves these out where they are 0.
    retransmits: first(/ retrans:\d+\/(\d+)/) ?? 0,
    bytes_retrans: first(/ bytes_retrans:(\d+)/) ?? 0,
    cwnd: first(/ cwnd:(\d+)/) ?? null,
  };
}

/** The same as tcptop last told it. */
function toldOf(tcptop: Tcptop, netns: string): TcpInfo | undefined {
  const inode = statSync(netnsFile(netns)).ino;
  const row = tcptop.rows.findLast((one) => one.netns === inode);
  return row && (Object.fromEntries(TCP_INFO.map((name) => [name, row[name]])) as TcpInfo);
}

describe.for(backends)("%s", ([backend, required]) => {
  const shared = sharedTcptop(backend, required);
  const plain = new Link("plain");
  const slow = new Link("slow");
  let withoutNetem: string | undefined;

  beforeAll(async () => {
    await shared.open();
    if (cannotRun) return;
    await plain.up();
    await slow.up();
    const [near] = slow.sides;
    const netem = [
      "-n",
      near,
      "qdisc",
      "add",
      "dev",
      "eth0",
      "root",
      "netem",
      "delay",
      "20ms",
      "loss",
      "10%",
    ];
    const { code, stderr } = await run("tc", netem);
    if (code !== 0) withoutNetem = `this kernel has no netem: ${stderr.trim().split("\n")[0]}`;
    // netem loses whole packets; here they are not to be many segments each.
    else await must("ip", "-n", near, "link", "set", "eth0", "gso_max_segs", "1");
  });
  afterAll(async () => {
    await plain.down();
    await slow.down();
    await shared.close();
  });

  test.for(SCENARIOS)("%s (%s)", async ([, scenario, args = {}], context) => {
    const tcptop = shared.use(context);
    const since = tcptop.rows.length;
    const ends = await new Traffic(scenario, args, plain).ends(context);
    const closes = await tcptop.closesOf(ends, since);

    expect(facts(closes)).toEqual(facts(ends));
    const opens = tcptop.rowsOf(ends, since).filter((row) => row.event === "open");
    expect(addresses(opens)).toEqual(addresses(ends));
  });

  test("round-trip times, retransmits and window are those of the socket", async (context) => {
    const tcptop = shared.use(context);
    if (withoutNetem !== undefined) context.skip(withoutNetem);
    const traffic = new Traffic("tcp-held", { size: LOSSY_BYTES }, slow);
    await traffic.ready();
    await tcptop.refreshed();

    for (const netns of slow.sides) expect(toldOf(tcptop, netns)).toEqual(await socketInfo(netns));
    const sender = toldOf(tcptop, slow.sides[0]);
    expect(sender?.rtt_min_us).toBeGreaterThanOrEqual(20_000);
    expect(sender?.rtt_us).toBeGreaterThanOrEqual(20_000);
    expect(sender?.retransmits).toBeGreaterThan(0);
    expect(sender?.bytes_retrans).toBeGreaterThan(0);

    traffic.go();
    const ends = await traffic.ends(context);
    const closes = await tcptop.closesOf(ends, 0);
    expect(facts(closes)).toEqual(facts(ends));
  });

  test("nothing was lost, and it says so", (context) => {
    expect(trueLosses(shared.use(context).losses())).toEqual(NO_LOSSES);
  });
});
