import { describe, expect, test } from "vitest";
import { procWorld } from "../../../src/base/proc-world.ts";
import { beganAt, processStartNs } from "../../../src/base/process-start.ts";
import { fakeProc, statOf } from "../../support/fake-proc.ts";

describe("the start of a process", () => {
  test.each(["curl", "a) S 1 2", "((", "x y\nz", "3 4 5)"])("named %j is read", (name) => {
    expect(processStartNs(fakeProc({ "7/stat": statOf(1234, name) }), 7)).toBe(12_340_000_000);
  });

  test.each([
    ["of none", {}],
    ["of one that goes meanwhile", { "7/stat": { error: "ESRCH" } }],
    ["in a file that is no such file", { "7/stat": "nonsense" }],
    ["in fields that are no numbers", { "7/stat": statOf("-1", "x") }],
  ])("is not known %s", (_, tree) => {
    expect(processStartNs(fakeProc(tree), 7)).toBeNull();
  });

  test.each([
    ["boottime           0         0", 5e9],
    ["boottime         -10 500000000", 14.5e9],
    ["boottime           3         1", 2e9 - 1],
    ["nonsense", 5e9],
  ])("is that of the initial time namespace: %s", (offset, startNs) => {
    const tree = { "7/stat": statOf(500, "x"), "self/timens_offsets": `monotonic  9 9\n${offset}\n` };
    expect(processStartNs(fakeProc(tree), 7)).toBe(startNs);
  });

  test("tells processes apart that had the same number", () => {
    const world = fakeProc({ "7/stat": statOf(500, "x") });
    expect([5e9, 5.009_999_999e9, 5.01e9].map((ns) => beganAt(world, 7, ns))).toEqual([true, true, true]);
    expect([4.98e9, 5.02e9, 0].map((ns) => beganAt(world, 7, ns))).toEqual([false, false, false]);
    expect(beganAt(world, 8, 5e9)).toBe(false);
  });

  const isLinux = process.platform === "linux";
  test.skipIf(!isLinux)(`is read of this process${isLinux ? "" : ": needs Linux"}`, () => {
    const startNs = processStartNs(procWorld(), process.pid) ?? Number.NaN;
    expect(beganAt(procWorld(), process.pid, startNs)).toBe(true);
    expect(beganAt(procWorld(), process.pid, startNs + 1e9)).toBe(false);
  });
});
