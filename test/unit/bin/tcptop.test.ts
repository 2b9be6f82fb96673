/** The first file that runs: what it says to a Node that is too old or out of files, and what SIGUSR1 does. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = `${ROOT}bin/tcptop.js`;

const folder = mkdtempSync(join(tmpdir(), "tcptop-bin-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs it with Node's version told as `version`, with an argument that is wrong. */
function runAs(version: string) {
  const versions = `Object.defineProperty(process, "versions", { value: { node: "${version}" } });`;
  const preload = `data:text/javascript,${encodeURIComponent(versions)}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", preload, PROGRAM, "--nonsense"],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

test.for(["8.17.0", "18.20.8", "19.9.0", "20.16.0"])("Node %s: one line, exit 69", (version) => {
  expect(runAs(version)).toEqual({
    status: 69,
    stdout: "",
    stderr: `error: tcptop needs Node 20.17 or later, this is ${version}.\n`,
  });
});

test.for(["20.17.0", "22.0.0", "100.1.0"])("Node %s runs it", (version) => {
  expect(runAs(version).status).not.toBe(69);
});

test("package.json asks for the same", () => {
  const { engines } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(">=20.17.0");
});

describe.skipIf(process.platform !== "linux")("signals that end a program", () => {
  /** The demo as a stream that has begun, when the signal comes. */
  async function endedBy(signal: NodeJS.Signals) {
    const child = spawn(PROGRAM, ["--demo", "--format", "json"], { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let errors = "";
    child.stderr.on("data", (data: Buffer) => {
      errors += String(data);
    });
    child.stdout.on("data", (data: Buffer) => {
      const hadBegun = text.includes("\n");
      text += String(data);
      if (!hadBegun && text.includes("\n")) child.kill(signal);
    });
    const [code, by] = await once(child, "close");
    return { code, by, errors, isWhole: text.endsWith("\n") };
  }

  test.for(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const)(
    "%s is a request to end: 0",
    async (signal) => {
      expect(await endedBy(signal)).toEqual({ code: 0, by: null, errors: "", isWhole: true });
    },
  );

  const ends = [
    "SIGUSR2",
    "SIGALRM",
    "SIGIO",
    "SIGVTALRM",
    "SIGPROF",
    "SIGXCPU",
    "SIGPWR",
    "SIGSTKFLT",
    "SIGABRT",
  ];
  test.for(ends as NodeJS.Signals[])("%s ends it in order, and then by itself", async (signal) => {
    expect(await endedBy(signal)).toEqual({ code: null, by: signal, errors: "", isWhole: true });
  });
});

test.for([20, 24, 28, 32])("with %i open files: one line, exit 69", (files) => {
  const script = `ulimit -n ${files} && exec "$0" "$@"`;
  const command = ["-c", script, process.execPath, PROGRAM, "--demo", "--batch", "-n", "1"];
  const { status, stdout, stderr } = spawnSync("sh", command, { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({
    status: 69,
    stdout: "",
    stderr: "error: tcptop cannot be loaded: too many open files; raise the limit (ulimit -n)\n",
  });
});

test("what is missing of it: one line, exit 70", () => {
  const bin = join(folder, "bin");
  spawnSync("cp", ["-r", `${ROOT}bin`, bin]);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(bin, "tcptop.js")], {
    encoding: "utf8",
  });
  expect({ status, stdout }).toEqual({ status: 70, stdout: "" });
  expect(stderr).toMatch(/^error: tcptop cannot be loaded: Cannot find module '[^\n]+main.js' [^\n]+\n$/);
});

/** Inodes of a process's sockets that wait for connections. */
function listening(pid: number): string[] {
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n"),
  );
  const inodes = new Set(lines.flatMap((line) => / 0A (?:\S+ +){5}(\d+)/.exec(line)?.[1] ?? []));
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? "";
    return inodes.has(inode) ? [inode] : [];
  });
}

describe.skipIf(process.platform !== "linux")("SIGUSR1 opens no debugger", () => {
  /** Signals its own process before the program runs, and waits for what Node says to that. */
  const early = join(folder, "early.cjs");
  writeFileSync(
    early,
    'process.kill(process.pid, "SIGUSR1"); while (require("fs").fstatSync(2).size === 0);',
  );

  /** The demo as a stream, and what it has written to standard error. */
  function start(command: readonly string[], options = "") {
    const [file = "", ...args] = [...command, "--demo", "--format", "json", "--speed", "20"];
    const path = join(folder, "stderr");
    const fd = openSync(path, "w");
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", fd],
      env: { ...process.env, NODE_OPTIONS: options },
    });
    closeSync(fd);
    let refreshes = 0;
    child.stdout?.on("data", (data: Buffer) => {
      refreshes += String(data).match(/"event":"summary"/g)?.length ?? 0;
    });
    return {
      pid: child.pid ?? 0,
      kill: (signal: NodeJS.Signals) => child.kill(signal),
      async refreshed(): Promise<void> {
        for (const seen = refreshes; refreshes < seen + 2; )
          await once(child.stdout as NodeJS.ReadableStream, "data");
      },
      async ended(): Promise<{ code: unknown; stderr: string }> {
        child.kill("SIGTERM");
        const [code] = await once(child, "close");
        return { code, stderr: readFileSync(path, "utf8") };
      },
    };
  }

  test("while the program runs", async () => {
    const tcptop = start([PROGRAM]);
    await tcptop.refreshed();
    tcptop.kill("SIGUSR1");
    await tcptop.refreshed();
    expect(listening(tcptop.pid)).toEqual([]);
    expect(await tcptop.ended()).toEqual({ code: 0, stderr: "" });
  });

  test("before it does", async () => {
    const tcptop = start([PROGRAM], `--require ${early}`);
    await tcptop.refreshed();
    expect(listening(tcptop.pid)).toEqual([]);
    const { code, stderr } = await tcptop.ended();
    expect(code).toBe(0);
    expect(stderr).toMatch(/^(Starting inspector on 240\.0\.0\.1:1024 failed: address not available\n)+$/);
  });

  test("that stays, before it runs in a Node that was started otherwise", async () => {
    const tcptop = start([process.execPath, PROGRAM], `--require ${early}`);
    await tcptop.refreshed();
    expect(listening(tcptop.pid)).toEqual([]);
    const { code, stderr } = await tcptop.ended();
    expect(code).toBe(0);
    expect(stderr).toMatch(/^(Debugger listening|Starting inspector) on /);
  });
});
