/** What tcptop may still do once it captures, and what it sees as an ordinary user with two capabilities. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { asUserWith, cannotRun, type FlowEnd, facts, isKernelBefore, Tcptop, Traffic } from "./harness.ts";

const CAP_SYS_PTRACE = 1n << 19n;
const CAP_BPF = 1n << 39n;
const NONE = 0n;

/** Before 5.19 reading a map needs CAP_BPF, where unprivileged BPF is off. */
function needsBpf(): bigint {
  const isOff = readFileSync("/proc/sys/kernel/unprivileged_bpf_disabled", "utf8").trim() !== "0";
  return isOff && isKernelBefore(5, 19) ? CAP_BPF : NONE;
}

/** Whatever a thread's status says of privileges. */
function privileges(pid: number, tid: string) {
  const status = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(status)?.[1];
  const set = (name: string) => BigInt(`0x${field(name)}`);
  return {
    inheritable: set("CapInh"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    ambient: set("CapAmb"),
    noNewPrivs: field("NoNewPrivs"),
  };
}

function expectConfined(pid: number, kept: bigint): void {
  const threads = readdirSync(`/proc/${pid}/task`);
  expect(threads.length).toBeGreaterThan(4);
  for (const tid of threads) {
    expect(privileges(pid, tid)).toEqual({
      inheritable: NONE,
      permitted: kept,
      effective: kept,
      ambient: NONE,
      noNewPrivs: "1",
    });
  }
}

describe.skipIf(cannotRun)(`privileges${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test("of every thread end with the start, and cannot be had again", async () => {
    const tcptop = await Tcptop.start("auto");
    expectConfined(tcptop.pid, CAP_SYS_PTRACE | needsBpf());
    await tcptop.refreshed();
    expectConfined(tcptop.pid, CAP_SYS_PTRACE | needsBpf());
    expect((await tcptop.stop()).code).toBe(0);
  });

  test("suffice to name the owners of what starts later", async (context) => {
    const tcptop = await Tcptop.start("auto");
    const since = tcptop.rows.length;
    const traffic = new Traffic("tcp-duplex");
    const ends: FlowEnd[] = await traffic.ends(context);
    expect(facts(await tcptop.closesOf(ends, since))).toEqual(facts(ends));
    expect((await tcptop.stop()).code).toBe(0);
  });

  test("suffice to see a listening socket in a network namespace that is made later", async () => {
    const tcptop = await Tcptop.start("auto", "--all");
    const listen = `require("net").createServer().listen(7654, "127.0.0.1", () => console.log("ready"))`;
    const script = `ip link set lo up && exec "$@"`;
    const server = spawn("unshare", ["--net", "sh", "-c", script, "sh", process.execPath, "-e", listen], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(server.stdout, "data");
    const found = () =>
      tcptop.rows.find(
        ({ local_port, state, pid }) => local_port === 7654 && state === "LISTEN" && pid === server.pid,
      );
    expect(await tcptop.until(() => found() !== undefined)).toBe(true);
    server.kill();
    expect((await tcptop.stop()).code).toBe(0);
  });

  test("of an ordinary user are two: it captures, names others' processes and says what it cannot see", async (context) => {
    const tcptop = await Tcptop.startIn({ wrapper: asUserWith("bpf", "perfmon") }, "auto");
    expectConfined(tcptop.pid, needsBpf());
    const told = (tcptop.start["step_downs"] as { backend: string; reason: string }[]).filter(({ reason }) =>
      reason.includes("CAP_SYS_PTRACE"),
    );
    expect(told).toHaveLength(1);
    const since = tcptop.rows.length;
    const ends = await new Traffic("tcp-duplex").ends(context);
    expect(facts(await tcptop.closesOf(ends, since))).toEqual(facts(ends));
    const exit = await tcptop.stop();
    expect([exit.code, exit.stderr]).toEqual([0, ""]);
  });

  test("of an ordinary user with one of them are too few", async () => {
    const start = Tcptop.startIn({ wrapper: asUserWith("bpf") }, "auto");
    await expect(start).rejects.toThrow("exit 77: error: tcptop requires root privileges. Run with sudo.\n");
  });
});
