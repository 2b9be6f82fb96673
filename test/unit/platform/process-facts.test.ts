import { describe, expect, test } from "vitest";
import { readProcessFacts } from "../../../src/platform/linux/process-facts.ts";
import { fakeProc, statOf, type Tree } from "../../support/fake-proc.ts";

const START_NS = 5e9;
const STAT: Tree = Object.fromEntries([2, 7].map((pid) => [`${pid}/stat`, statOf(500)]));
const CGROUP = "0::/system.slice/nginx.service\n";

describe("facts of a process", () => {
  test("are its arguments and its control group", () => {
    const world = fakeProc({ ...STAT, "7/cmdline": "nginx: worker\0-g\0daemon off;\0", "7/cgroup": CGROUP });
    expect(readProcessFacts(world, { pid: 7, startNs: START_NS })).toEqual({
      commandLine: "nginx: worker -g daemon off;",
      cgroup: "/system.slice/nginx.service",
    });
  });

  test("of a kernel thread have no arguments", () => {
    expect(
      readProcessFacts(fakeProc({ ...STAT, "2/cmdline": "", "2/cgroup": "0::/\n" }), {
        pid: 2,
        startNs: START_NS,
      }),
    ).toEqual({
      commandLine: null,
      cgroup: "/",
    });
  });

  test.for([
    ["12:memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n", "/docker/abc"],
    ["3:cpu,cpuacct:/\n2:memory:/user:1\n", "/user:1"],
    ["0::/a\r0::/b\u20280::/c\n", "/a\r0::/b\u20280::/c"],
    ["garbage\n", null],
    ["", null],
  ] as const)("of control groups %j", ([text, cgroup]) => {
    expect(
      readProcessFacts(fakeProc({ ...STAT, "7/cmdline": "a", "7/cgroup": text }), {
        pid: 7,
        startNs: START_NS,
      })?.cgroup,
    ).toBe(cgroup);
  });

  test("are bounded, whatever a process claims to be", () => {
    const world = fakeProc(
      { ...STAT, "7/cmdline": "x\0".repeat(500_000), "7/cgroup": CGROUP },
      () => {},
      1000,
    );
    expect(readProcessFacts(world, { pid: 7, startNs: START_NS })?.commandLine).toBe(`${"x ".repeat(2047)}x`);
  });

  test("of one that has gone, or goes meanwhile, are as much as there is", () => {
    expect(readProcessFacts(fakeProc({}), { pid: 7, startNs: START_NS })).toBe(null);
    expect(
      readProcessFacts(fakeProc({ ...STAT, "7/cmdline": { error: "ESRCH" } }), { pid: 7, startNs: START_NS }),
    ).toBe(null);
    expect(readProcessFacts(fakeProc({ ...STAT, "7/cmdline": "a" }), { pid: 7, startNs: START_NS })).toEqual({
      commandLine: "a",
      cgroup: null,
    });
  });

  test("are never those of another process that has its number", () => {
    const tree: Tree = { "7/cmdline": "newcomer", "7/cgroup": CGROUP, "7/stat": statOf(900) };
    expect(readProcessFacts(fakeProc(tree), { pid: 7, startNs: START_NS })).toBeNull();
    expect(readProcessFacts(fakeProc(tree), { pid: 7, startNs: 9e9 })?.commandLine).toBe("newcomer");
    expect(readProcessFacts(fakeProc(tree), { pid: 7, startNs: null })).toBeNull();
  });

  test("are none if the number goes to another process while they are read", () => {
    const tree: Tree = { ...STAT, "7/cmdline": "old", "7/cgroup": CGROUP };
    const world = fakeProc(tree, (path) => {
      if (path === "7/cmdline") tree["7/stat"] = statOf(900);
    });
    expect(readProcessFacts(world, { pid: 7, startNs: START_NS })).toBeNull();
  });
});
