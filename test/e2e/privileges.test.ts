/** What tcptop may still do once it captures, and what it sees as an ordinary user with two capabilities. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { asUserWith, cannotRun, type FlowEnd, facts, isKernelBefore, Tcptop, Traffic } from "./harness.ts";

const CAP_DAC_OVERRIDE = 1n << 1n;
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

const LOG = mkdtempSync(join(tmpdir(), "tcptop-service-"));
afterAll(() => rmSync(LOG, { recursive: true }));

/** What systemd leaves a process by the unit in the README: ProtectSystem, ReadWritePaths, NoNewPrivileges and the set. */
function asService(): readonly string[] {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const [, names = ""] = /^CapabilityBoundingSet=(.+)$/m.exec(readme) ?? [];
  const set = names
    .split(" ")
    .map((name) => name.replace(/^CAP_/, "+").toLowerCase())
    .join(",");
  const script = `mount --bind "$LOG" "$LOG"
while read -r _ _ _ _ path _; do case $path in
  /proc*|/dev*|"$LOG") ;;
  *) mount -o remount,bind,ro "$path" || :;;
esac; done < /proc/self/mountinfo 2> /dev/null
! touch /etc/tcptop 2> /dev/null && exec "$@"`;
  return [
    // LimitMEMLOCK; from 5.11 maps do not count against it.
    ...(isKernelBefore(5, 11) ? ["prlimit", "--memlock=unlimited"] : []),
    ...["unshare", "--mount", "sh", "-c", script, "sh"],
    ...["setpriv", "--no-new-privs", "--bounding-set", `-all,${set}`, "--inh-caps", "-all"],
  ];
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

  test("that the README's service has are enough, on file systems that are read-only but for its log", async (context) => {
    const open = await Tcptop.start("auto");
    await open.stop();
    const tcptop = await Tcptop.startIn(
      { wrapper: asService(), env: { LOG } },
      "auto",
      "--log",
      join(LOG, "log.csv"),
    );
    for (const field of ["backend", "step_downs"]) expect(tcptop.start[field]).toEqual(open.start[field]);
    expectConfined(tcptop.pid, CAP_SYS_PTRACE | CAP_DAC_OVERRIDE | needsBpf());
    const since = tcptop.rows.length;
    const ends = await new Traffic("tcp-duplex").ends(context);
    expect(facts(await tcptop.closesOf(ends, since))).toEqual(facts(ends));
    renameSync(join(LOG, "log.csv"), join(LOG, "log.csv.1"));
    tcptop.signal("SIGHUP");
    await tcptop.refreshed();
    expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(LOG)).toEqual(["log.csv", "log.csv.1"]);
  });

  test("of an ordinary user with one of them are too few", async () => {
    const start = Tcptop.startIn({ wrapper: asUserWith("bpf") }, "auto");
    await expect(start).rejects.toThrow("exit 77: error: tcptop requires root privileges. Run with sudo.\n");
  });
});
