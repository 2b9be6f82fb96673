import { describe, expect, test } from "vitest";
import { readProcessFacts } from "../../../src/seed/process-facts.ts";
import { fakeProc } from "./fake-proc.ts";

const CGROUP = "0::/system.slice/nginx.service\n";

describe("facts of a process", () => {
  test("are its arguments and its control group", () => {
    const world = fakeProc({ "7/cmdline": "nginx: worker\0-g\0daemon off;\0", "7/cgroup": CGROUP });
    expect(readProcessFacts(world, 7)).toEqual({
      commandLine: "nginx: worker -g daemon off;",
      cgroup: "/system.slice/nginx.service",
    });
  });

  test("of a kernel thread have no arguments", () => {
    expect(readProcessFacts(fakeProc({ "2/cmdline": "", "2/cgroup": "0::/\n" }), 2)).toEqual({
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
    expect(readProcessFacts(fakeProc({ "7/cmdline": "a", "7/cgroup": text }), 7)?.cgroup).toBe(cgroup);
  });

  test("are bounded, whatever a process claims to be", () => {
    const world = fakeProc({ "7/cmdline": "x\0".repeat(500_000), "7/cgroup": CGROUP }, () => {}, 1000);
    expect(readProcessFacts(world, 7)?.commandLine).toBe(`${"x ".repeat(2047)}x`);
  });

  test("of one that has gone, or goes meanwhile, are as much as there is", () => {
    expect(readProcessFacts(fakeProc({}), 7)).toBe(null);
    expect(readProcessFacts(fakeProc({ "7/cmdline": { error: "ESRCH" } }), 7)).toBe(null);
    expect(readProcessFacts(fakeProc({ "7/cmdline": "a" }), 7)).toEqual({ commandLine: "a", cgroup: null });
  });
});
