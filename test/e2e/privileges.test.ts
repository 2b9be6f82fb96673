/** What tcptop may still do once it captures, and what it sees as an ordinary user with two capabilities. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { built } from "../support/build.ts";
import {
  afterMounting,
  asUserWith,
  cannotRun,
  eventually,
  type FlowEnd,
  facts,
  isKernelBefore,
  leftInKernel,
  run,
  type Surroundings,
  TCPTOP,
  Tcptop,
  Traffic,
} from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

const NONE = 0n;
const BPF_AND_PERFMON = (1n << 39n) | (1n << 38n);
/** CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE. */
const BROKER = BPF_AND_PERFMON | (1n << 2n) | (1n << 12n) | (1n << 19n);
const DAC_OVERRIDE = 1n << 1n;

/** Of user nobody. */
const NOBODY = 65_534;

/** Whatever a thread's status says of privileges. */
function privileges(pid: number, tid: string) {
  const status = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
  const set = (name: string) => BigInt(`0x${field(name)}`);
  return {
    inheritable: set("CapInh"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    ambient: set("CapAmb"),
    noNewPrivs: field("NoNewPrivs"),
    seccomp: field("Seccomp"),
    uid: Number(field("Uid")),
  };
}

/** Every thread of Node has nothing left, and the broker what it is there for. */
function expectConfined(
  tcptop: Tcptop,
  { uid, broker }: { readonly uid: number; readonly broker: bigint },
): void {
  const threads = readdirSync(`/proc/${tcptop.pid}/task`);
  expect(threads.length).toBeGreaterThan(4);
  for (const tid of threads) {
    expect(privileges(tcptop.pid, tid)).toEqual({
      ...{ inheritable: NONE, permitted: NONE, effective: NONE, ambient: NONE },
      ...{ noNewPrivs: "1", seccomp: "2", uid },
    });
  }
  expect(privileges(tcptop.brokerPid, String(tcptop.brokerPid))).toMatchObject({
    ...{ inheritable: NONE, permitted: broker, effective: broker, ambient: NONE },
    noNewPrivs: "1",
  });
}

/** Whether the kernel has Landlock, as tcptop found it. */
function hasLandlock({ start }: Tcptop): boolean {
  return (start["privileges"] as { readonly landlock: boolean }).landlock;
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

const { EACCES, EPERM } = constants.errno;

/** The environment in which Node tries what it must not do, and tells in a file. */
function attempting(file: string, written: string): NodeJS.ProcessEnv {
  return { LD_PRELOAD: built("traffic/attempts.so"), ATTEMPTS: file, WRITTEN: written };
}

/** Has Node try; the error of each attempt, 0 for none. */
async function attempts(tcptop: Tcptop, file: string): Promise<Record<string, number>> {
  // SIGRTMIN + 5; Node knows no real-time signals by their names.
  process.kill(tcptop.pid, 39);
  expect(await eventually(async () => readFileSync(file, "utf8").includes("end"))).toBe(true);
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.replace(/ \d+$/, ""), Number(/\d+$/.exec(line)?.[0])]));
}

describe.skipIf(cannotRun)(`privileges${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test("of every thread end with the start, but for the broker's", async () => {
    const tcptop = await Tcptop.start("auto");
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
    const told = {
      ...{ uid: NOBODY, capabilities: [], no_new_privs: true, seccomp: true },
      broker_capabilities: [
        ...["CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_PERFMON", "CAP_BPF"],
      ],
    };
    expect(tcptop.start["privileges"]).toMatchObject(told);
    await tcptop.refreshed();
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
    expect((await tcptop.stop()).code).toBe(0);
  });

  test("that were given up cannot be used: no other's file, no program, no tracing, no socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tcptop-attempts-"));
    const file = join(folder, "told");
    const tcptop = await Tcptop.startIn({ env: attempting(file, "/tmp/tcptop-attempt") }, "auto");
    expect(await attempts(tcptop, file)).toEqual({
      ...{ shadow: EACCES, home: EACCES, write: hasLandlock(tcptop) ? EACCES : 0 },
      ...{ ptrace: EPERM, "raw socket": EPERM, socket: EPERM, bpf: EPERM, user: EPERM },
      ...{ namespace: EPERM, clone: EPERM, process: EPERM, signal: EPERM, "own signal": 0, terminal: EPERM },
      ...{ execve: EPERM, end: 0 },
    });
    expect((await tcptop.stop()).code).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test("become those of who called sudo, or of the user that is asked for", async () => {
    const env = { SUDO_UID: "12345", SUDO_GID: "12346" };
    const bySudo = await Tcptop.startIn({ env }, "auto");
    expectConfined(bySudo, { uid: 12_345, broker: BROKER });
    await bySudo.stop();
    const asked = await Tcptop.startIn({ env }, "auto", "--user", "daemon");
    expectConfined(asked, { uid: 1, broker: BROKER });
    await asked.stop();
    const start = Tcptop.start("auto", "--user", "nobody-has-this-name");
    await expect(start).rejects.toThrow("exit 64: error: --user: there is no user 'nobody-has-this-name'\n");
    const asRoot = Tcptop.start("auto", "--user", "root");
    await expect(asRoot).rejects.toThrow("exit 64: error: --user: 'root' is root\n");
  });

  test("reach a log in anybody's folder, as root's do, and Node itself may not write there", async () => {
    const home = mkdtempSync(join(tmpdir(), "tcptop-home-"));
    const [user, log, tried] = [12_345, join(home, "log.csv"), join(LOG, "told")];
    writeFileSync(join(home, ".profile"), "");
    for (const path of [home, join(home, ".profile")]) chownSync(path, user, user);
    for (const sudo of [{ SUDO_UID: String(user), SUDO_GID: String(user) }, {}]) {
      const env = { ...attempting(tried, join(home, ".profile")), ...sudo };
      const tcptop = await Tcptop.startIn({ env }, "auto", "--log", log);
      const uid = "SUDO_UID" in sudo ? user : NOBODY;
      expectConfined(tcptop, { uid, broker: BROKER | DAC_OVERRIDE });
      const { broker_capabilities: told } = tcptop.start["privileges"] as Record<string, readonly string[]>;
      expect(told).toContain("CAP_DAC_OVERRIDE");
      const { write } = await attempts(tcptop, tried);
      expect(write).toBe(hasLandlock(tcptop) || uid !== user ? EACCES : 0);
      renameSync(log, `${log}.1`);
      tcptop.signal("SIGHUP");
      expect(await eventually(async () => existsSync(log) && statSync(log).size > 0)).toBe(true);
      expect(statSync(log)).toMatchObject({ uid: 0, mode: 0o100640 });
      await tcptop.refreshed();
      expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
      for (const path of [log, `${log}.1`, tried]) rmSync(path);
    }
    rmSync(home, { recursive: true });
  });

  test("reach a new log that logrotate has made for another user", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tcptop-rotated-"));
    const log = join(folder, "log.csv");
    const tcptop = await Tcptop.start("auto", "--log", log);
    renameSync(log, `${log}.1`);
    writeFileSync(log, "", { mode: 0o640 });
    chownSync(log, 12_345, 12_345);
    tcptop.signal("SIGHUP");
    expect(await eventually(async () => statSync(log).size > 0)).toBe(true);
    expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
    rmSync(folder, { recursive: true });
  });

  test("end where there is no /proc", async () => {
    const tcptop = await Tcptop.startIn({ wrapper: afterMounting("mount -t tmpfs none /proc") }, "auto");
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
    expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
  });

  test("end where /proc is that of another PID namespace", async () => {
    const args = [TCPTOP, "--batch", "--format", "json", "--iterations", "1"];
    const { code, stdout, stderr } = await run("unshare", ["--pid", "--fork", process.execPath, ...args]);
    expect([code, stderr]).toEqual([0, ""]);
    const start = JSON.parse(stdout.split("\n")[0] ?? "") as Tcptop["start"];
    expect(start["privileges"]).toMatchObject({
      uid: NOBODY,
      capabilities: [],
      no_new_privs: true,
      seccomp: true,
    });
    const steps = start["step_downs"] as { readonly backend: string }[];
    expect(steps.filter(({ backend }) => backend === "privileges")).toEqual([]);
  });

  test.each(["4294967295", "4294967296"])("become nobody's where sudo's user is %s", async (id) => {
    const tcptop = await Tcptop.startIn({ env: { SUDO_UID: id, SUDO_GID: "1" } }, "auto");
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
    await tcptop.stop();
  });

  test("end where securebits keep them for another user", async () => {
    const wrapper = ["setpriv", "--securebits", "+no_setuid_fixup"];
    const tcptop = await Tcptop.startIn({ wrapper }, "auto");
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
    await tcptop.stop();
  });

  test("that were given up are not missed in a folder that only root may read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tcptop-home-"));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const modules = ["blessed", "commander", "ipaddr.js", "pretty-bytes"].map(
      (name) => `node_modules/${name}`,
    );
    for (const name of ["bin", "dist", "demo", "package.json", "build/cmake/Release", ...modules]) {
      cpSync(new URL(`../../${name}`, import.meta.url), join(folder, name), { recursive: true });
    }
    const program = `${process.execPath} ${join(folder, "bin/tcptop.js")}`;
    expect(await run("sh", ["-c", `${program} -b -n 1`])).toMatchObject({ code: 0, stderr: "" });
    const terminal = new PseudoTerminal(`${program}; echo "left code=$?"`);
    await terminal.line(/PROTO LOCAL/);
    terminal.type("q");
    await terminal.printed(/left code=0/);
    await terminal.ended();
    rmSync(folder, { recursive: true });
  });

  test("that were given up are missed where /proc hides others' processes, which is said", async () => {
    const wrapper = afterMounting("mount -t proc -o hidepid=2 proc /proc");
    const told = async (surroundings: Surroundings) => {
      const tcptop = await Tcptop.startIn(surroundings, "auto");
      const steps = tcptop.start["step_downs"] as { backend: string; reason: string }[];
      expect((await tcptop.stop()).code).toBe(0);
      return steps.filter(({ backend }) => backend === "/proc").map(({ reason }) => reason);
    };
    expect(await told({ wrapper })).toEqual([
      expect.stringMatching(/^hides other users' processes \(hidepid\): /),
    ]);
    expect(await told({})).toEqual([]);
  });

  test("end with the broker: tcptop says so, and nothing stays attached", async () => {
    const tcptop = await Tcptop.start("auto");
    const ids = tcptop.bpfIds();
    for (const held of Object.values(ids)) expect(held).not.toEqual([]);
    process.kill(tcptop.brokerPid, "SIGKILL");
    expect(await tcptop.ended()).toMatchObject({
      code: 69,
      stderr: "error: the process with tcptop's privileges, tcptop-broker, has ended\n",
    });
    const left = async () => Object.values(await leftInKernel(ids)).flat();
    await eventually(async () => (await left()).length === 0);
    expect(await left()).toEqual([]);
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
    expectConfined(tcptop, { uid: NOBODY, broker: BPF_AND_PERFMON });
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
    expectConfined(tcptop, { uid: NOBODY, broker: BROKER });
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
