import { describe, expect, test } from "vitest";
import { parseAddressRange } from "../../../../src/base/address.ts";
import { compileFilter, describeFilter, type Filter } from "../../../../src/lenses/flows/filter.ts";
import { connection, udpFlow } from "../../../support/connections.ts";

const NOTHING: Filter = {
  pids: [],
  processes: [],
  ports: [],
  hosts: [],
  protocols: [],
  families: [],
  noLoopback: false,
};

function named(process: string) {
  return { pid: 5, process, uid: 0, cgroupId: null, startNs: null };
}

const rows = [
  connection({ key: 1 }),
  udpFlow({ key: 2 }),
  connection({
    key: 3,
    local: { address: "2001:db8::5", port: 443 },
    remote: { address: "2001:db8::7", port: 6000 },
    owner: named("chromium-browse"),
  }),
  connection({
    key: 4,
    local: { address: "127.0.0.1", port: 9000 },
    remote: { address: "127.3.2.1", port: 9001 },
    owner: null,
  }),
  udpFlow({ key: 5, local: { address: "::1", port: 53 }, remote: { address: "::1", port: 9002 } }),
  connection({ key: 6, local: { address: "127.0.0.1", port: 9000 }, owner: named("CURLd") }),
];

function shown(filter: Partial<Filter>): number[] {
  const test = compileFilter({ ...NOTHING, ...filter });
  return rows.filter((row) => test === null || test(row)).map(({ key }) => key);
}

function hosts(...texts: string[]) {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (range === null) throw new Error(text);
    return range;
  });
}

describe("filter", () => {
  test("that asks for nothing lets everything through and costs nothing", () => {
    expect(compileFilter(NOTHING)).toBeNull();
  });

  test.each<[string, Partial<Filter>, number[]]>([
    ["pid", { pids: [1234] }, [1]],
    ["one of several pids", { pids: [1234, 77] }, [1, 2, 5]],
    ["part of a process name, in any case", { processes: ["Curl"] }, [1, 6]],
    ["a name longer than the kernel keeps", { processes: ["chromium-browser"] }, [3]],
    ["one of several names", { processes: ["resolv", "chrom"] }, [2, 3, 5]],
    ["port of either end", { ports: [443] }, [1, 3, 6]],
    ["one of several ports", { ports: [53, 9001] }, [2, 4, 5]],
    ["address of either end", { hosts: hosts("9.9.9.9") }, [2]],
    ["prefixes", { hosts: hosts("2001:db8::/32", "192.168.0.0/16") }, [1, 3]],
    ["TCP", { protocols: ["tcp"] }, [1, 3, 4, 6]],
    ["UDP", { protocols: ["udp"] }, [2, 5]],
    ["both protocols", { protocols: ["tcp", "udp"] }, [1, 2, 3, 4, 5, 6]],
    ["IPv4", { families: [4] }, [1, 2, 4, 6]],
    ["IPv6", { families: [6] }, [3, 5]],
    ["both families", { families: [4, 6] }, [1, 2, 3, 4, 5, 6]],
    ["no loopback hides flows with both ends on it", { noLoopback: true }, [1, 2, 3, 6]],
    [
      "kinds combine with AND",
      { ports: [443], processes: ["curl"], families: [4], noLoopback: true },
      [1, 6],
    ],
    ["kinds that exclude each other", { pids: [77], protocols: ["tcp"] }, []],
  ])("%s", (_, filter, keys) => {
    expect(shown(filter)).toEqual(keys);
  });
});

describe("the filter in words", () => {
  test("is what the options say, names made harmless", () => {
    const filter = {
      pids: [1, 22],
      processes: ["nginx", "e\x1bvil"],
      ports: [80, 443],
      hosts: hosts("10.0.0.0/8", "::1"),
      protocols: ["udp"] as const,
      families: [4] as const,
      noLoopback: true,
    };
    expect(describeFilter(filter)).toBe(
      "--pid 1,22 --process nginx,e\\x1bvil --port 80,443 --host 10.0.0.0/8,::1 --udp --ipv4 --no-loopback",
    );
  });

  test("is empty where everything passes", () => expect(describeFilter(NOTHING)).toBe(""));
});
