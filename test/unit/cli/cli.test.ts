import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { ExitError } from "../../../src/base/errors.ts";
import { type Host, runCli } from "../../../src/cli/cli.ts";
import { systemFiles } from "../../../src/cli/files.ts";
import type { SourceHost } from "../../../src/core/source.ts";
import { createRecordingFile } from "../../../src/recording/files.ts";
import { csvHeaders } from "../../../src/sinks/csv.ts";
import { fakeProc } from "../../support/fake-proc.ts";
import { flowsTable } from "../../support/lenses.ts";
import { type Machine, machine } from "../../support/machine.ts";
import { MemoryFile, memorySource, record } from "../../support/recordings.ts";
import { curlRecord, NO_LOSSES } from "../../support/records.ts";
import { FakeScreen } from "../../support/screen.ts";
import { settle, systemError } from "../../support/world.ts";

const { current: CSV_HEADER } = csvHeaders(flowsTable());

/** Runs for one refresh of one new connection. */
async function stream(args: readonly string[], { world, host }: Machine) {
  const outcome = runCli(["-n", "1", ...args], host);
  await settle();
  world.capture.ring.push(curlRecord(1, { bytesIn: 1_200_000 }));
  await world.advance(1000);
  return outcome;
}

describe("before anything is opened", () => {
  test("wrong usage is one line and 64, whatever the privileges", async () => {
    const { world, host, loads } = machine();
    world.checkFailure = new ExitError(77, "never seen");
    expect(await runCli(["-d", "0"], host)).toEqual({ exitCode: 64, isFlushed: true });
    expect(world.stderr.text).toBe("error: --delay: '0' is not a number of seconds from 0.1 to 86400\n");
    expect([world.stdout.text, loads()]).toEqual(["", 0]);
  });

  test("a hostile argument stays one harmless line", async () => {
    const { world, host } = machine();
    await runCli(["--pid", "\x1b[2J\n"], host);
    expect(world.stderr.text).toBe("error: --pid: '\\x1b[2J\\x0a' is not a process id from 1 to 4194304\n");
  });

  test("version and help are printed without loading a platform", async () => {
    const { world, host, loads } = machine();
    expect(await runCli(["-V"], host)).toEqual({ exitCode: 0, isFlushed: true });
    expect(await runCli(["-h"], host)).toEqual({ exitCode: 0, isFlushed: true });
    expect(world.stdout.writes.map((text) => text.split("\n")[0])).toEqual([
      "tcptop 0.1.0",
      "Usage: tcptop [options]",
    ]);
    expect([world.stderr.text, loads()]).toEqual(["", 0]);
  });

  test("help into a pipe without a reader is no failure, into a full disk it is", async () => {
    const gone = machine();
    gone.world.stdout.fail(systemError("EPIPE", "write EPIPE"));
    expect(await runCli(["-h"], gone.host)).toEqual({ exitCode: 0, isFlushed: true });
    const full = machine();
    full.world.stdout.fail(systemError("ENOSPC", "ENOSPC: no space left on device, write"));
    expect(await runCli(["-h"], full.host)).toEqual({ exitCode: 74, isFlushed: true });
    expect(full.world.stderr.text).toBe(
      "error: cannot write to standard output: ENOSPC: no space left on device\n",
    );
  });

  test("without privilege there is exactly that line, and 77", async () => {
    const { world, host } = machine();
    world.checkFailure = new ExitError(77, "tcptop requires root privileges. Run with sudo.");
    expect(await runCli(["-b"], host)).toEqual({ exitCode: 77, isFlushed: true });
    expect(world.stderr.text).toBe("error: tcptop requires root privileges. Run with sudo.\n");
    expect([world.stdout.text, world.opened.length]).toEqual(["", 0]);
  });
});

describe("failures", () => {
  test("of the platform are one line and its exit code", async () => {
    const { world, host } = machine();
    world.openFailure = new ExitError(69, "no BTF:\nrebuild the kernel");
    expect(await runCli([], host)).toEqual({ exitCode: 69, isFlushed: true });
    expect(world.stderr.text).toBe("error: no BTF:\\x0arebuild the kernel\n");
  });

  test("of tcptop itself are one line with a hint, and 70", async () => {
    const { world, host } = machine();
    world.openFailure = new TypeError("x is undefined");
    expect(await runCli([], host)).toEqual({ exitCode: 70, isFlushed: true });
    expect(world.stderr.text).toBe("error: internal error: x is undefined (--debug shows where)\n");
  });

  test("show where they come from with --debug, causes too", async () => {
    const { world, host } = machine();
    world.openFailure = new ExitError(69, "no BTF", { cause: new Error("ENOENT\x1b") });
    expect(await runCli(["--debug"], host)).toEqual({ exitCode: 69, isFlushed: true });
    const lines = world.stderr.text.split("\n");
    expect(lines[0]).toBe("error: no BTF");
    expect(lines[1]).toBe("ExitError: no BTF");
    expect(lines[2]).toMatch(/^ {4}at .*cli\.test\.ts/);
    expect(lines[lines.indexOf("caused by:") + 1]).toBe("Error: ENOENT\\x1b");
    expect(lines.at(-1)).toBe("");
  });
});

describe("what is asked for reaches", () => {
  test("the capture", async () => {
    const it = machine();
    const knobs = ["--max-tcp-flows", "8", "--max-udp-flows", "9", "--ring-bytes", "4096"];
    const chosen = ["--backend", "tracepoint", "--user", "daemon", "--udp-timeout", "0.3"];
    expect(await stream([...chosen, ...knobs], it)).toEqual({
      exitCode: 0,
      isFlushed: true,
    });
    const [options] = it.world.opened;
    expect(options).toMatchObject({ backend: "tracepoint", ringBytes: 4096, user: "daemon" });
    const specs: unknown[] = [];
    const host: SourceHost = {
      facts: { pageBytes: 4096, tickNs: 4e6, isPreemptible: true },
      open(object, { constants, sizes }) {
        specs.push([object, constants["udp_idle_ns"], sizes]);
        throw new Error("nothing is loaded here");
      },
      proc: fakeProc({}),
      hasInSys: () => true,
    };
    expect(() => options?.lenses.map((lens) => lens.open(host, options))).toThrow("nothing is loaded here");
    const sizes = { tcp_flows: 8, udp_flows: 9, udp_owners: 4096, events: 4096 };
    expect(specs).toEqual([["tracepoint", 300_000_000n, sizes]]);
  });

  test("the form", async () => {
    const starts = async (...args: string[]) => {
      const it = machine();
      await stream(args, it);
      return it.world.stdout.text.slice(0, 7);
    };
    expect(await starts()).toBe("# tcpto");
    expect(await starts("--format", "json")).toBe('{"time"');
    expect(await starts("--format", "csv")).toBe("time,ev");
  });

  test("the numbers", async () => {
    const it = machine();
    await stream(["--raw"], it);
    expect(it.world.stdout.text).toContain("(1200000 B,");
  });

  test("the filter", async () => {
    const it = machine();
    await stream(["--pid", "8"], it);
    expect(it.world.stdout.text).not.toContain("curl[7]");
    const other = machine();
    await stream(["--pid", "7"], other);
    expect(other.world.stdout.text).toContain("curl[7]");
  });

  test("the delay", async () => {
    const it = machine();
    let exitCode: number | null = null;
    runCli(["-n", "1", "-d", "2.5"], it.host).then((outcome) => {
      exitCode = outcome.exitCode;
    });
    await it.world.advance(2499);
    expect(exitCode).toBeNull();
    await it.world.advance(1);
    expect(exitCode).toBe(0);
  });
});

test.each<[string, boolean, Host["environment"], string[], boolean]>([
  ["a terminal", true, {}, [], true],
  ["a pipe", false, {}, [], false],
  ["a pipe with --color", false, {}, ["--color"], true],
  ["a terminal with --no-color", true, {}, ["--no-color"], false],
  ["a terminal with NO_COLOR", true, { NO_COLOR: "1" }, [], false],
  ["a terminal with NO_COLOR set to nothing", true, { NO_COLOR: "" }, [], true],
  ["--color against NO_COLOR", true, { NO_COLOR: "1" }, ["--color"], false],
  ["a dumb terminal", true, { TERM: "dumb" }, [], false],
  ["a dumb terminal with --color", true, { TERM: "dumb" }, ["--color"], true],
])("colour: %s", async (_, isTerminal, environment, args, isColored) => {
  const it = machine(environment);
  it.world.stdout.isTerminal = isTerminal;
  await stream(args, it);
  expect(it.world.stdout.text.includes("\x1b[32m")).toBe(isColored);
});

describe("recordings", () => {
  test("are made where it is asked for, and replayed without a platform", async () => {
    const it = machine();
    const file = new MemoryFile();
    const made: unknown[] = [];
    const host: Host = {
      ...it.host,
      createRecording(_, ...args) {
        made.push(args);
        return file;
      },
    };
    await stream(["--format", "json", "--record", "a/b.tcptop", "--overwrite"], { ...it, host });
    expect([made, file.isClosed]).toEqual([[["a/b.tcptop", { overwrite: true, inUse: [] }]], true]);

    const other = machine();
    const sources: unknown[] = [];
    const replaying: Host = {
      ...other.host,
      openRecording(from) {
        sources.push(from);
        return memorySource(file.bytes);
      },
    };
    other.world.checkFailure = new ExitError(77, "never seen");
    const outcome = runCli(["--replay", "a/b.tcptop", "--format", "json"], replaying);
    await other.world.advance(1000);
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect(other.world.stdout.text).toBe(it.world.stdout.text);
    expect([sources, other.loads()]).toEqual([[{ kind: "file", path: "a/b.tcptop" }], 0]);
  });

  test("that are none are closed again, with one line and 64", async () => {
    const { world, host } = machine();
    const source = memorySource(Buffer.from("GIF89a"));
    const outcome = await runCli(["--replay", "cat.gif"], { ...host, openRecording: () => source });
    expect(outcome).toEqual({ exitCode: 64, isFlushed: true });
    expect(world.stderr.text).toBe("error: cat.gif is not a recording of tcptop; --record makes one\n");
    expect([source.isClosed, world.stopListeners]).toEqual([true, 0]);
  });

  test("are called by the end of their path on the screen", async () => {
    const { world, host } = machine();
    const file = record([["refresh", 2e9, 0, NO_LOSSES]]);
    const screen = new FakeScreen();
    const outcome = runCli(["--replay", "/tmp/a/b.tcptop"], {
      ...host,
      openScreen: async () => screen,
      openRecording: () => memorySource(file),
    });
    await world.advance(0);
    await world.advance(0);
    expect(screen.lines[0]).toMatch(/ replay b\.tcptop 00:00 \/ 00:00 ×1/);
    screen.type("q");
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
  });
});

test("a reader that does not read is reported, so that nobody waits for it", async () => {
  const { world, host } = machine();
  const outcome = runCli(["--format", "json"], host);
  await settle();
  world.stdout.stall();
  await world.advance(1000);
  world.requestStop();
  await world.advance(3000);
  expect(await outcome).toEqual({ exitCode: 74, isFlushed: false });
  expect(world.stderr.text).toBe(
    "error: the last lines not written to standard output, the reader was too slow\n",
  );
});

describe("at a terminal", () => {
  function withScreen(environment: Host["environment"] = {}) {
    const machineAt = machine(environment);
    const screen = new FakeScreen();
    const wishes: boolean[] = [];
    machineAt.world.stdout.isTerminal = true;
    const host: Host = {
      ...machineAt.host,
      openScreen: async (wantsColor) => {
        wishes.push(wantsColor);
        return screen;
      },
    };
    return { ...machineAt, host, screen, wishes };
  }

  test("the screen opens, and q ends it with 0", async () => {
    const at = withScreen();
    const outcome = runCli(["--sort", "pid", "--raw"], at.host);
    await settle();
    expect(at.screen.lines.at(-1)).toMatch(/sort PID▲/);
    at.screen.type("q");
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect([at.screen.calls, at.world.stdout.text, at.wishes]).toEqual([["close"], "", [true]]);
  });

  test.for([["--batch"], ["--format", "json"], ["--format", "text"]])("not with %j", async (args) => {
    const at = withScreen();
    await stream(args, at);
    expect([at.wishes, at.screen.frames.length]).toEqual([[], 0]);
    expect(at.world.stdout.text).toContain("192.0.2.1");
  });

  test.for([
    [["--no-color"], {}],
    [[], { NO_COLOR: "1" }],
  ] as const)("without colour by %j", async ([args, environment]) => {
    const at = withScreen(environment);
    const outcome = runCli([...args, "-n", "1"], at.host);
    await at.world.advance(1000);
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect(at.wishes).toEqual([false]);
  });

  test("without privileges the terminal is not touched", async () => {
    const at = withScreen();
    at.world.checkFailure = new ExitError(77, "tcptop requires root privileges. Run with sudo.");
    expect(await runCli([], at.host)).toEqual({ exitCode: 77, isFlushed: true });
    expect(at.wishes).toEqual([]);
    expect(at.world.stderr.text).toBe("error: tcptop requires root privileges. Run with sudo.\n");
  });
});

describe("a log", () => {
  const NO_SPACE = "ENOSPC: no space left on device";
  const folder = mkdtempSync(join(tmpdir(), "tcptop-cli-"));
  const path = join(folder, "log.csv");
  const link = join(folder, "link");
  const read = () => readFileSync(path, "utf8");

  afterEach(() => rmSync(path, { force: true }));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** `full` makes every write to the log fail from then on. */
  function withLog(withScreen = false) {
    const it = machine();
    const screen = new FakeScreen();
    const disk = { isFull: false };
    const write: typeof systemFiles.write = (fd, bytes, from) => {
      if (disk.isFull) throw systemError("ENOSPC", `${NO_SPACE}, write`);
      return systemFiles.write(fd, bytes, from);
    };
    const files = { ...systemFiles, write };
    const openScreen = withScreen ? async () => screen : null;
    return { ...it, host: { ...it.host, files, openScreen }, screen, disk };
  }

  /** Event and local port of each row. */
  const rows = () =>
    read()
      .split("\n")
      .slice(1, -1)
      .map((line) => line.split(",").filter((_, i) => i === 1 || i === 4));

  test("has what the stream has, filtered as it is", async () => {
    const it = withLog();
    await stream(["--format", "csv", "-l", path], it);
    expect(read()).toBe(it.world.stdout.text);
    expect(rows()).toEqual([["open", "40001"]]);
    const other = withLog();
    await stream(["--pid", "8", "-l", path, "--overwrite"], other);
    expect(rows()).toEqual([]);
  });

  test("is opened after the privilege is known and before anything is captured", async () => {
    const it = withLog();
    it.world.checkFailure = new ExitError(77, "tcptop requires root privileges. Run with sudo.");
    expect(await runCli(["-l", path], it.host)).toEqual({ exitCode: 77, isFlushed: true });
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, "notes\n");
    const other = withLog();
    expect(await runCli(["-l", path], other.host)).toEqual({ exitCode: 73, isFlushed: true });
    expect(other.world.stderr.text).toBe(
      `error: cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it\n`,
    );
    expect([other.world.opened, other.world.stdout.text, read()]).toEqual([[], "", "notes\n"]);
  });

  test("that another tcptop writes to is refused with 73", async () => {
    const it = withLog();
    it.world.isLocked = true;
    expect(await runCli(["-l", path], it.host)).toEqual({ exitCode: 73, isFlushed: true });
    expect(it.world.stderr.text).toBe(`error: cannot log to ${path}: another tcptop writes to it\n`);
  });

  test.for([
    ["its name", () => {}, `${folder}/./log.csv`],
    ["a symbolic link", symlinkSync, link],
    ["a hard link", linkSync, link],
  ] as const)("is not the recording, by %s: one line, 64", async ([, makeLink, other]) => {
    writeFileSync(path, CSV_HEADER);
    makeLink(path, other);
    const it = withLog();
    const host = { ...it.host, createRecording: createRecordingFile };
    for (const more of [[], ["--overwrite"]]) {
      const outcome = await runCli(["--log", path, "--record", other, ...more], host);
      expect(outcome).toEqual({ exitCode: 64, isFlushed: true });
      expect(it.world.stderr.writes.splice(0)).toEqual([
        `error: cannot record to ${other}: it is also the file of --log\n`,
      ]);
    }
    expect([it.world.opened, it.world.stdout.text, read()]).toEqual([[], "", CSV_HEADER]);
    rmSync(link, { force: true });
  });

  test("is not the recording, where neither was there: one line, 64, and neither is left", async () => {
    const it = withLog();
    const host = { ...it.host, createRecording: createRecordingFile };
    expect(await runCli(["--log", path, "--record", path], host)).toEqual({ exitCode: 64, isFlushed: true });
    expect(it.world.stderr.text).toBe(`error: cannot record to ${path}: it is also the file of --log\n`);
    expect(existsSync(path)).toBe(false);
  });

  test("and a recording are not standard output's file: one line, 64", async () => {
    writeFileSync(path, "");
    const { dev, ino } = statSync(path);
    const it = withLog();
    const standardFiles = [{ name: "standard output", dev, ino }];
    const host = { ...it.host, createRecording: createRecordingFile, standardFiles };
    for (const [flag, verb] of [
      ["--log", "log"],
      ["--record", "record"],
    ] as const) {
      expect(await runCli([flag, path], host)).toEqual({ exitCode: 64, isFlushed: true });
      expect(it.world.stderr.writes.splice(0)).toEqual([
        `error: cannot ${verb} to ${path}: it is also the file of standard output\n`,
      ]);
    }
    expect([it.world.opened, read()]).toEqual([[], ""]);
  });

  test("of an older tcptop is set aside, and told at once where there is no screen", async () => {
    const older = CSV_HEADER.replace(/,[^,]*\n$/, "\n");
    writeFileSync(path, `${older}2026\n`);
    const it = withLog();
    await stream(["-l", path], it);
    const aside = `${path}.2026-11-21`;
    expect(it.world.stderr.text).toBe(
      `warning: ${path} has the columns of an older tcptop; it is now ${aside}, and a new file is begun\n`,
    );
    expect([readFileSync(aside, "utf8"), rows()]).toEqual([`${older}2026\n`, [["open", "40001"]]]);
    rmSync(aside);
  });

  test("leaves nothing behind, and a file as it was, when the capture fails", async () => {
    const it = withLog();
    it.world.openFailure = new ExitError(69, "no BTF");
    expect(await runCli(["-l", path], it.host)).toEqual({ exitCode: 69, isFlushed: true });
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, "notes\n");
    expect(await runCli(["-l", path, "--overwrite"], it.host)).toEqual({ exitCode: 69, isFlushed: true });
    expect(read()).toBe("notes\n");
  });

  test("that ends in half a row says so, once", async () => {
    writeFileSync(path, `${CSV_HEADER}2026`);
    const it = withLog();
    await stream(["-l", path], it);
    expect(it.world.stderr.text).toBe(
      `warning: ${path} ends in an unfinished row of 4 bytes, which is cut off\n`,
    );
    expect(rows()).toEqual([["open", "40001"]]);
  });

  test("that cannot be written ends the stream, which is flushed, with 74", async () => {
    const it = withLog();
    const outcome = runCli(["--format", "json", "-l", path], it.host);
    await settle();
    it.world.capture.ring.push(curlRecord(1));
    await it.world.advance(1000);
    it.disk.isFull = true;
    it.world.capture.ring.push(curlRecord(2));
    await it.world.advance(1000);
    expect(await outcome).toEqual({ exitCode: 74, isFlushed: true });
    expect(it.world.stderr.text).toBe(`error: cannot write to ${path}: ${NO_SPACE}\n`);
    expect(it.world.stdout.objects.map(({ event }) => event)).toEqual([
      "start",
      ...["open", "summary"],
      ...["open", "summary"],
    ]);
    expect(rows()).toEqual([["open", "40001"]]);
  });

  test("that fails while nobody reads the stream does not wait for its reader: both are said", async () => {
    const it = withLog();
    const outcome = runCli(["--format", "json", "-l", path], it.host);
    await settle();
    it.world.stdout.stall();
    it.disk.isFull = true;
    await it.world.advance(1000);
    it.world.capture.ring.push(curlRecord(1));
    await it.world.advance(4000);
    expect(await outcome).toEqual({ exitCode: 74, isFlushed: false });
    expect(it.world.stderr.text).toBe(
      `error: cannot write to ${path}: ${NO_SPACE}\n` +
        "error: 1 event not written to standard output, the reader was too slow\n",
    );
  });

  test("misses nothing while nobody reads the stream", async () => {
    const it = withLog();
    runCli(["--format", "json", "-l", path], it.host);
    await settle();
    it.world.stdout.stall();
    for (const id of [1, 2, 3]) {
      it.world.capture.ring.push(curlRecord(id));
      await it.world.advance(1000);
    }
    expect(it.world.stdout.objects.map(({ event }) => event)).toEqual(["start", "open", "summary"]);
    expect(rows()).toEqual([
      ["open", "40001"],
      ["open", "40002"],
      ["open", "40003"],
    ]);
    it.world.requestStop();
    await it.world.advance(2000);
  });

  test("that cannot be opened again before a slow reader has the exit code", async () => {
    const it = withLog();
    const outcome = runCli(["--format", "json", "-l", path], it.host);
    await settle();
    it.world.stdout.stall();
    await it.world.advance(1000);
    rmSync(path);
    writeFileSync(path, "notes\n");
    it.world.requestStop("SIGHUP");
    await it.world.advance(3000);
    expect(await outcome).toEqual({ exitCode: 73, isFlushed: false });
    expect(it.world.stderr.text).toBe(
      `error: cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it\n` +
        "error: the last lines not written to standard output, the reader was too slow\n",
    );
  });

  test("that cannot be written is a warning on the screen, and 74 when it has been left", async () => {
    const it = withLog(true);
    const outcome = runCli(["-l", path], it.host);
    await settle();
    it.disk.isFull = true;
    it.world.capture.ring.push(curlRecord(1), curlRecord(2));
    await it.world.advance(1000);
    expect(it.screen.lines[3]).toContain(" log: 2 rows not written: cannot write to ");
    expect(it.world.stderr.text).toBe("");
    it.screen.type("q");
    expect(await outcome).toEqual({ exitCode: 74, isFlushed: true });
    expect(it.screen.calls).toEqual(["close"]);
    expect(it.world.stderr.text).toBe(
      `error: 2 rows of the log not written: cannot write to ${path}: ${NO_SPACE}\n`,
    );
  });

  test("is reopened by SIGHUP, and what is said of the new file waits for the end of the screen", async () => {
    const it = withLog(true);
    const outcome = runCli(["-l", path], it.host);
    await settle();
    it.world.capture.ring.push(curlRecord(1));
    await it.world.advance(1000);
    expect(rows()).toEqual([["open", "40001"]]);
    rmSync(path);
    writeFileSync(path, `${CSV_HEADER}half`);
    it.world.requestStop("SIGHUP");
    it.world.capture.ring.push(curlRecord(2));
    await it.world.advance(1000);
    expect([rows(), it.world.stderr.text]).toEqual([[["open", "40002"]], ""]);
    it.world.terminalIsLost = true;
    it.world.requestStop("SIGHUP");
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect(it.world.stderr.text).toBe(
      `warning: ${path} ends in an unfinished row of 4 bytes, which is cut off\n`,
    );
  });
});
