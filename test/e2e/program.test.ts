/** How the program starts, refuses and ends: exit codes, single lines, nothing left in the kernel. */
import { describe, expect, test } from "vitest";
import {
  asUserWith,
  cannotRun,
  denyBpf,
  eventually,
  leftInKernel,
  REFRESH_S,
  run,
  TCPTOP,
  Tcptop,
} from "./harness.ts";

const BATCH = [TCPTOP, "--batch", "--format", "json", "-d", REFRESH_S];

describe.skipIf(cannotRun)(`tcptop${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test.for(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
    "%s leaves no program, link or map in the kernel",
    async (signal) => {
      const tcptop = await Tcptop.start("auto");
      const ids = tcptop.bpfIds();
      for (const held of Object.values(ids)) expect(held).not.toEqual([]);
      expect(await leftInKernel(ids)).toEqual(ids);

      const exit = await tcptop.stop(signal);
      expect({ code: exit.code, signal: exit.signal }).toEqual(
        signal === "SIGKILL" ? { code: null, signal } : { code: 0, signal: null },
      );
      const left = async () => Object.values(await leftInKernel(ids)).flat();
      await eventually(async () => (await left()).length === 0);
      expect(await left()).toEqual([]);
    },
  );

  test("a reader that goes away ends it with 0", async () => {
    const script = '"$@" | head -1; echo "$' + '{PIPESTATUS[0]}"';
    const { stdout, stderr } = await run("bash", ["-c", script, "bash", process.execPath, ...BATCH]);
    const [first = "", ...rest] = stdout.trimEnd().split("\n");
    expect(JSON.parse(first)).toMatchObject({ event: "start" });
    expect(rest).toEqual(["0"]);
    expect(stderr).toBe("");
  });

  test("-n 2 ends after two refreshes", async () => {
    const { code, stdout } = await run(process.execPath, [...BATCH, "-n", "2"]);
    expect(code).toBe(0);
    expect(stdout.match(/"event":"summary"/g)).toHaveLength(2);
  });

  test("without privileges: one line, exit 77", async () => {
    const exit = await run(process.execPath, BATCH, { uid: 65534, gid: 65534 });
    expect(exit).toEqual({
      code: 77,
      signal: null,
      stdout: "",
      stderr: "error: tcptop requires root privileges. Run with sudo.\n",
    });
  });

  test.for([
    ["-perfmon,-sys_admin", "CAP_PERFMON"],
    ["-bpf,-sys_admin", "CAP_BPF"],
    ["-all", "CAP_BPF and CAP_PERFMON"],
  ])("as root with %s: one line that says what is missing, exit 77", async ([bounding = "", missing]) => {
    const exit = await run("setpriv", ["--bounding-set", bounding, process.execPath, ...BATCH]);
    expect(exit).toEqual({
      code: 77,
      signal: null,
      stdout: "",
      stderr: `error: root lacks ${missing} here; the service, container or shell that starts tcptop must allow it\n`,
    });
  });

  test("where bpf(2) is refused: one line that says so, as root and as a user who may, exit 77", async () => {
    const expected = {
      code: 77,
      stdout: "",
      stderr: "error: bpf(2) is refused, by a security module or the kernel's settings\n",
    };
    expect(await run(process.execPath, BATCH, { env: denyBpf("refused") })).toMatchObject(expected);
    const [command = "", ...rest] = [...asUserWith("bpf", "perfmon"), process.execPath, ...BATCH];
    expect(await run(command, rest, { env: denyBpf("refused") })).toMatchObject(expected);
  });

  test("as root of a user namespace: one line that says so, exit 77", async () => {
    const exit = await run("unshare", ["--user", "--map-root-user", process.execPath, ...BATCH]);
    expect(exit).toEqual({
      code: 77,
      signal: null,
      stdout: "",
      stderr: "error: the kernel refuses bpf(2) in a user namespace; run tcptop outside of it\n",
    });
  });

  test("a kernel without BTF: one line that says so, exit 69", async () => {
    const hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';
    const exit = await run("unshare", ["--mount", "sh", "-c", hide, "sh", process.execPath, ...BATCH]);
    expect(exit).toMatchObject({ code: 69, stdout: "" });
    expect(exit.stderr).toMatch(/^error: [^\n]*BTF[^\n]*\n$/);
  });

  test.for([
    ["BPF", "all", /^error: [^\n]*BPF[^\n]*\n$/],
    ["the ring buffer", "ringbuf", /^error: [^\n]*ring buffer[^\n]*\n$/],
  ] as const)("a kernel without %s: one line that says so, exit 69", async ([, what, line]) => {
    const exit = await run(process.execPath, BATCH, { env: denyBpf(what) });
    expect(exit).toMatchObject({ code: 69, stdout: "" });
    expect(exit.stderr).toMatch(line);
  });
});
