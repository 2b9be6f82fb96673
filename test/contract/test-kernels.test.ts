/** What `npm run test:kernels` understands; the tests that it runs are in test/e2e. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../scripts/test-kernels.mjs", import.meta.url));

function testKernels(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("test-kernels", () => {
  test("--help names every option, kernel and backend", () => {
    const { status, stdout, stderr } = testKernels("--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const word of ["--arch", "arm64", "--kernel", "6.12", "--backend", "tracepoint", "--jobs"])
      expect(stdout).toContain(word);
  });

  test.for([
    [["--arch", "mips"], "--arch: 'mips' is not one of x64, arm64"],
    [["--arch", "arm64", "--kernel", "5.9"], "--kernel: '5.9' is not one of"],
    [["--arch", "arm64", "--kernel", "here"], "--kernel: 'here' is not one of"],
    [["--backend", "pcap"], "--backend: 'pcap' is not one of fentry, kprobe, tracepoint"],
    [["--jobs", "0"], "--jobs: '0' is not a number from 1"],
    [["screen"], "'screen' is not one of existing, "],
    [["--what"], "Unknown option '--what'"],
  ] as const)("%j: one line, exit 64", ([args, message]) => {
    const { status, stdout, stderr } = testKernels(...args);
    expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
    expect(stderr.startsWith(`test-kernels: ${message}`)).toBe(true);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
