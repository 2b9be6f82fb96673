import { describe, expect, test } from "vitest";
import { NONE_SKIPPED } from "../../../src/core/losses.ts";
import { LOSSES } from "../../../src/lenses/flows/layout.gen.ts";
import { LOSS_NAMES, NO_LOSSES } from "../../../src/lenses/flows/losses.ts";
import { jsonOutput } from "../../../src/sinks/json.ts";
import { connection, snapshot, udpFlow } from "../../support/connections.ts";
import { flowLens, flowsTable, summaryOf } from "../../support/lenses.ts";

const LENS = flowLens();
const AT = { wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6), nowNs: 5_000_000_000 };

function events(...rows: ReturnType<typeof connection>[]): unknown[] {
  const text = jsonOutput([LENS]).events(
    flowsTable(),
    rows.map((row) => ({ event: "update" as const, row })),
    AT,
  );
  expect(text.endsWith("\n")).toBe(true);
  return text
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

describe("JSON", () => {
  test("a connection has every field, in the order of the contract", () => {
    const [first] = events(connection());
    expect(JSON.stringify(first)).toBe(
      JSON.stringify({
        time: "2026-01-02T03:04:05.006Z",
        event: "update",
        proto: "tcp",
        local_address: "192.168.1.5",
        local_port: 51234,
        remote_address: "140.82.112.3",
        remote_port: 443,
        pid: 1234,
        process: "curl",
        state: "ESTABLISHED",
        bytes_in: 1_200_000_000,
        bytes_out: 3_400,
        packets_in: 830_000,
        packets_out: 17,
        rate_in: 42_100_000,
        rate_out: 340.25,
        rtt_us: 23_100,
        partial: false,
        rtt_min_us: 400,
        rtt_var_us: 1_500,
        retransmits: 2,
        bytes_retrans: 2_896,
        cwnd: 10,
        uid: 1000,
        netns: 4026531840,
        cgroup_id: "18446744073709551615",
        age_ms: 4_000,
        shared: false,
        assumed: false,
        flow: "1",
        process_start: 8_400_000_000,
      }),
    );
  });

  test("the unknown is null", () => {
    expect(events(udpFlow({ owner: null }))).toEqual([
      expect.objectContaining({
        pid: null,
        process: null,
        state: null,
        rtt_us: null,
        uid: null,
        cgroup_id: null,
        shared: null,
        assumed: null,
      }),
    ]);
  });

  test.each([
    ["quotes and backslashes", '"\\', '"\\\\'],
    ["escape sequences", "\x1b]0;x\x07", "\\x1b]0;x\\x07"],
    ["a line end", "a\nb", "a\\x0ab"],
    ["a lone surrogate", "\ud800", "\\ud800"],
    ["a name of Object's prototype", "__proto__", "__proto__"],
  ])("a process name with %s stays one line of valid JSON", (_, name, shown) => {
    const row = connection({ owner: { pid: 1, process: name, uid: 0, cgroupId: null, startNs: null } });
    expect(events(row)).toEqual([expect.objectContaining({ process: shown })]);
  });

  test("the start carries version, backend, kernel and what was stepped down from", () => {
    const stepDowns = [{ backend: "fentry", reason: "no BTF\x1b[0m" }];
    const facts = new Map([["flows", { maxTcpFlows: 131_072, maxUdpFlows: null }]]);
    const info = { version: "1.2.3", backend: "kprobe", kernel: "6.1.0-31-amd64", stepDowns, facts };
    expect(jsonOutput([LENS]).start(info, AT)).toBe(
      '{"time":"2026-01-02T03:04:05.006Z","event":"start","version":"1.2.3","backend":"kprobe",' +
        '"kernel":"6.1.0-31-amd64","step_downs":[{"backend":"fentry","reason":"no BTF\\\\x1b[0m"}],' +
        '"max_tcp_flows":131072,"max_udp_flows":null,"not_counted":["ICMP","SCTP","DCCP","UDP-Lite","raw IP",' +
        '"packet sockets","outer flows of tunnels","UDP redirected by a sockmap","vsock","unix sockets"]}\n',
    );
  });

  test("the start of a capture says what tcptop may still do", () => {
    const privileges = {
      ...{ uid: 1000, capabilities: [], hasNoNewPrivs: true, hasLandlock: false, hasSeccomp: true },
      brokerCapabilities: ["CAP_PERFMON", "CAP_BPF"],
    };
    const info = {
      version: "1",
      backend: "kprobe",
      kernel: "6",
      stepDowns: [],
      facts: new Map(),
      privileges,
    };
    const { privileges: told } = JSON.parse(jsonOutput([LENS]).start(info, AT)) as { privileges: unknown };
    expect(told).toEqual({
      ...{ uid: 1000, capabilities: [], no_new_privs: true, landlock: false, seccomp: true },
      broker_capabilities: ["CAP_PERFMON", "CAP_BPF"],
    });
  });

  test("the summary carries totals, counts and every loss counter", () => {
    const refresh = snapshot({
      intervalS: 0.99951,
      totals: { bytesIn: 1, bytesOut: 2, packetsIn: 3, packetsOut: 4, rateIn: 5.00049, rateOut: 6 },
      counts: { tcp: 7, udp: 8, byState: new Map([["CLOSE_WAIT", 7]]) },
      losses: { ...NO_LOSSES, ...Object.fromEntries(LOSS_NAMES.map((name, i) => [name, 101 + i])) },
    });
    const counters = Object.keys(LOSSES)
      .filter((name) => name !== "size")
      .concat("records_invalid", "seed_lines_skipped")
      .map((name, i) => `"${name}":${101 + i}`);
    expect(
      jsonOutput([LENS]).summary(summaryOf(refresh), { refreshesSkipped: 19, eventsSkipped: 20 }, AT),
    ).toBe(
      '{"time":"2026-01-02T03:04:05.006Z","event":"summary","interval_s":1,"bytes_in":1,"bytes_out":2,' +
        '"packets_in":3,"packets_out":4,"rate_in":5,"rate_out":6,"connections":15,"tcp":7,"udp":8,' +
        `"states":{"CLOSE_WAIT":7},${counters.join(",")},"refreshes_skipped":19,"events_skipped":20,` +
        '"machine_bytes_in":1,"machine_bytes_out":2,"machine_packets_in":3,"machine_packets_out":4,' +
        '"machine_rate_in":5,"machine_rate_out":6,"machine_connections":15,"machine_tcp":7,"machine_udp":8,' +
        '"machine_states":{"CLOSE_WAIT":7}}\n',
    );
  });

  test("with a filter the summary has the sums of what it lets through, and the machine's beside them", () => {
    const machine = { bytesIn: 100, bytesOut: 200, packetsIn: 3, packetsOut: 4, rateIn: 5, rateOut: 6 };
    const counters = { bytesIn: 10, bytesOut: 20, packetsIn: 1, packetsOut: 2, rateIn: 3, rateOut: 4 };
    const connections = [connection({ state: "LISTEN", ...counters }), connection({ key: 2 })];
    const refresh = snapshot({ totals: machine, connections });
    const [line = ""] = jsonOutput([LENS])
      .summary(
        summaryOf(refresh, ({ state }) => state === "LISTEN"),
        NONE_SKIPPED,
        AT,
      )
      .split("\n");
    expect(JSON.parse(line)).toMatchObject({
      ...{ bytes_in: 10, bytes_out: 20, packets_in: 1, packets_out: 2, rate_in: 3, rate_out: 4 },
      ...{ connections: 1, tcp: 1, udp: 0, states: { LISTEN: 1 } },
      ...{ machine_bytes_in: 100, machine_bytes_out: 200, machine_packets_in: 3, machine_packets_out: 4 },
      ...{ machine_rate_in: 5, machine_rate_out: 6, machine_connections: 0, machine_states: {} },
    });
  });

  test("needs no warning at the end: every summary carried the counters", () => {
    expect(
      jsonOutput([LENS]).warning(
        summaryOf(snapshot({ losses: { ...NO_LOSSES, closesLost: 1 } })),
        NONE_SKIPPED,
        AT,
      ),
    ).toBe("");
  });
});
