import { describe, expect, test } from "vitest";
import { COLUMN_KEYS, FIELDS, findColumn } from "../../../../src/lenses/flows/columns.ts";
import { connection, udpFlow } from "../../../support/connections.ts";

const NOW_NS = 5_000_000_000;

function valuesOf(row: ReturnType<typeof connection>, keys: readonly string[]): unknown[] {
  return keys.map((key) => findColumn(key)?.value(row, NOW_NS));
}

describe("fields for programs", () => {
  test("keep the order of the contract, new ones at the right", () => {
    expect(FIELDS.map(({ key }) => key)).toEqual([
      ...["proto", "local_address", "local_port", "remote_address", "remote_port", "pid", "process", "state"],
      ...["bytes_in", "bytes_out", "packets_in", "packets_out", "rate_in", "rate_out", "rtt_us", "partial"],
      ...["rtt_min_us", "rtt_var_us", "retransmits", "bytes_retrans", "cwnd", "uid", "netns", "cgroup_id"],
      ...["age_ms", "shared", "assumed", "flow", "process_start"],
    ]);
  });

  test("hold the values of a TCP connection", () => {
    expect(FIELDS.map((field) => field.value(connection(), NOW_NS))).toEqual([
      ...["tcp", "192.168.1.5", 51234, "140.82.112.3", 443, 1234, "curl", "ESTABLISHED"],
      ...[1_200_000_000, 3_400, 830_000, 17, 42_100_000, 340.25, 23_100, false],
      ...[400, 1_500, 2, 2_896, 10, 1000, 4026531840, "18446744073709551615", 4_000],
      ...[false, false, "1", 8_400_000_000],
    ]);
  });

  test("are null where a UDP flow or an unowned one has no value, never 0", () => {
    const tcpOnly = ["state", "rtt_us", "rtt_min_us", "rtt_var_us", "retransmits", "bytes_retrans", "cwnd"];
    expect(valuesOf(udpFlow(), tcpOnly)).toEqual(tcpOnly.map(() => null));
    const owners = ["pid", "process", "uid", "cgroup_id", "shared", "assumed", "process_start"];
    expect(valuesOf(udpFlow(), owners)).toEqual([77, "resolved", null, null, false, false, null]);
    expect(valuesOf(connection({ owner: null }), owners)).toEqual(owners.map(() => null));
  });

  test("sanitise the process name", () => {
    const owner = { pid: 1, process: "\x1b[2J", uid: 0, cgroupId: null, startNs: null };
    expect(valuesOf(connection({ owner }), ["process"])).toEqual(["\\x1b[2J"]);
  });

  test("the age ends with the connection and is never negative", () => {
    const closing = connection({ phase: { kind: "closing", closedNs: 1_003_600_000 } });
    expect(valuesOf(closing, ["age_ms"])).toEqual([4]);
    expect(valuesOf(connection({ openedNs: NOW_NS + 1 }), ["age_ms"])).toEqual([0]);
  });

  test("say of an owner whether it is one of several, and whether it was only found with the socket open", () => {
    expect(valuesOf(connection({ shared: true }), ["shared", "assumed"])).toEqual([true, false]);
    expect(valuesOf(connection({ assumed: true }), ["shared", "assumed"])).toEqual([false, true]);
  });

  test("name flows and sockets without one apart", () => {
    expect(valuesOf(connection({ key: 7 }), ["flow"])).toEqual(["7"]);
    expect(valuesOf(connection({ key: -7 }), ["flow"])).toEqual(["s7"]);
  });

  test("rates are cut to a thousandth", () => {
    expect(valuesOf(connection({ rateIn: 1 / 3 }), ["rate_in"])).toEqual([0.333]);
  });
});

test("combined columns add up or join", () => {
  expect(valuesOf(connection(), ["local", "remote", "bytes", "packets", "rate"])).toEqual([
    "192.168.1.5:51234",
    "140.82.112.3:443",
    1_200_003_400,
    830_017,
    42_100_340.25,
  ]);
});

test("columns are found by key, with either dash, in any case, and by alias", () => {
  expect(COLUMN_KEYS.map((key) => findColumn(key)?.key)).toEqual(COLUMN_KEYS);
  expect(["rate-in", "RTT", "name", "Age"].map((name) => findColumn(name)?.key)).toEqual([
    "rate_in",
    "rtt_us",
    "process",
    "age_ms",
  ]);
  expect(["", "speed", "constructor", "__proto__"].map(findColumn)).toEqual(Array(4).fill(undefined));
});
