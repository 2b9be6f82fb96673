/** Recordings of real traffic: a replay is the live stream to the byte, and every failure keeps what was written before. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { SmallDisk } from "./disk.ts";
import { cannotRun, eventually, REFRESH_S, run, TCPTOP, Traffic, UDP_TIMEOUT_S } from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "tcptop-replay-"));
// For the user who replays.
chmodSync(folder, 0o755);
const path = (name: string) => join(folder, name);
const terminals: PseudoTerminal[] = [];
const children: ChildProcess[] = [];

afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.kill();
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(folder, { recursive: true }));

const live = (...args: string[]) => [TCPTOP, "-d", REFRESH_S, "--udp-timeout", UDP_TIMEOUT_S, ...args];
/** As a user without any privilege, of the group that may read recordings of this process. */
const gid = process.getegid?.() ?? 0;
const replay = (...args: string[]) => run(process.execPath, [TCPTOP, ...args], { uid: 65534, gid });

function contents(name: string): string {
  return readFileSync(path(name), "utf8");
}

function summaries(text: string): number {
  return text.match(/"event":"summary"/g)?.length ?? 0;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

/** Starts a command with its output in files, which take all at once. */
function start(name: string, args: readonly string[], command = process.execPath): Running {
  const [out, err] = [openSync(path(`${name}.out`), "w"), openSync(path(`${name}.err`), "w")];
  const child = spawn(command, args, { stdio: ["ignore", out, err] });
  closeSync(out);
  closeSync(err);
  children.push(child);
  return { child, ended: once(child, "exit").then(([code]) => code as number | null) };
}

/** Waits until a live stream has its start. */
async function startShown(name: string): Promise<void> {
  if (!(await eventually(async () => contents(`${name}.out`) !== "")))
    throw new Error(contents(`${name}.err`));
}

/** A live run under traffic with a recording; resolves once it has ended. */
async function recordTraffic(name: string, context: TestContext, ...args: string[]): Promise<void> {
  const existing = new Traffic("existing-idle");
  await existing.ready();
  const { child, ended } = start(name, live("--record", path(`${name}.tcptop`), ...args));
  await startShown(name);
  existing.go();
  await existing.ends(context);
  for (const scenario of ["tcp-ipv6", "tcp-concurrent", "tcp-reset", "udp-many"]) {
    await new Traffic(scenario).ends(context);
  }
  await new Traffic("tcp-short", { count: 300 }).ends(context);
  child.kill("SIGINT");
  expect([await ended, contents(`${name}.err`)]).toEqual([0, ""]);
}

describe.skipIf(cannotRun)(`a recording${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test.for([
    ["JSON", ["--format", "json"]],
    ["JSON of all sockets", ["--format", "json", "--all"]],
    ["JSON, filtered and sorted", ["--format", "json", "-t", "-4", "--host", "127.0.0.0/8", "-s", "bytes"]],
    ["CSV", ["--format", "csv"]],
    ["text", ["--batch", "--raw"]],
  ] as const)("replays to the byte: %s", async ([title, args], context) => {
    const name = title.replaceAll(/\W/g, "-");
    await recordTraffic(name, context, ...args);
    const shown = contents(`${name}.out`);
    expect(shown.split("\n").filter((line) => /close|CLOSED/.test(line)).length).toBeGreaterThan(600);
    const exit = await replay("--replay", path(`${name}.tcptop`), "--speed", "1000", ...args);
    expect({ ...exit, stdout: exit.stdout === shown }).toEqual({
      code: 0,
      signal: null,
      stdout: true,
      stderr: "",
    });
  });

  test("of a recorder that was killed replays, but for what it had not finished", async (context) => {
    const { child, ended } = start("killed", live("--format", "json", "--record", path("killed.tcptop")));
    await startShown("killed");
    await new Traffic("tcp-short", { count: 100 }).ends(context);
    await eventually(async () => summaries(contents("killed.out")) >= 5);
    child.kill("SIGKILL");
    await ended;
    const exit = await replay("--replay", path("killed.tcptop"), "--speed", "1000", "--format", "json");
    const shown = contents("killed.out");
    const whole = shown.slice(0, shown.lastIndexOf("\n") + 1);
    expect([exit.code, exit.stdout.startsWith(whole)]).toEqual([0, true]);
    expect(summaries(exit.stdout) - summaries(whole)).toBeLessThanOrEqual(1);
  });

  test("on a disk that fills up ends with 74 and one line; what was recorded before replays", async (context) => {
    // Room for the first refresh, however many connections the machine has.
    const disk = await SmallDisk.make(65_536);
    try {
      const [command = "", ...enter] = disk.enter;
      const args = [...enter, process.execPath, ...live("--format", "json", "--record", `${disk.inside}/x`)];
      const { ended } = start("full", args, command);
      await startShown("full");
      await eventually(async () => summaries(contents("full.out")) > 0);
      await disk.do('cat /dev/zero 2>/dev/null >"$0/filler" || :');
      await new Traffic("tcp-short", { count: 1000 }).ends(context);
      expect(await ended).toBe(74);
      cpSync(`${disk.outside}/x`, path("full.tcptop"));
    } finally {
      await disk.remove();
    }
    expect(contents("full.err")).toMatch(
      /^error: cannot write to the recording \S+: ENOSPC: no space left on device; what was recorded before is intact\n$/,
    );
    const exit = await replay("--replay", path("full.tcptop"), "--speed", "1000", "--format", "json");
    expect([exit.code, exit.stderr]).toEqual([0, ""]);
    expect(contents("full.out").startsWith(exit.stdout)).toBe(true);
    expect(summaries(exit.stdout)).toBeGreaterThan(0);
  });

  test("whose folder is removed ends with 74 and one line; the stream is whole", async () => {
    mkdirSync(path("doomed"));
    const { ended } = start("doomed", live("--format", "json", "--record", path("doomed/x")));
    await startShown("doomed");
    rmSync(path("doomed"), { recursive: true });
    expect(await ended).toBe(74);
    expect(contents("doomed.err")).toMatch(
      /^error: cannot write to the recording \S+: the file was removed; [^\n]*\n$/,
    );
    expect(() =>
      contents("doomed.out")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).not.toThrow();
  });

  test("is not made where there is something already, no folder, or no writing, with 73", async () => {
    writeFileSync(path("mine"), "mine");
    const there = await run(process.execPath, live("-b", "--record", path("mine")));
    expect([there.code, there.stdout, contents("mine")]).toEqual([73, "", "mine"]);
    expect(there.stderr).toBe(
      `error: cannot record to ${path("mine")}: it exists; --overwrite replaces it\n`,
    );
    const none = await run(process.execPath, live("-b", "--record", path("none/x")));
    expect([none.code, none.stderr]).toEqual([
      73,
      `error: cannot create ${path("none/x")}: ENOENT: no such file or directory\n`,
    ]);
    mkdirSync(path("fixed"));
    const script = `mount -t tmpfs -o ro none ${path("fixed")} && exec "$@"`;
    const command = ["--mount", "sh", "-c", script, "sh", process.execPath];
    const fixed = await run("unshare", [...command, ...live("-b", "--record", path("fixed/x"))]);
    expect([fixed.code, fixed.stderr]).toEqual([
      73,
      `error: cannot create ${path("fixed/x")}: EROFS: read-only file system\n`,
    ]);
    const over = await run(process.execPath, live("-b", "-n", "1", "--record", path("mine"), "--overwrite"));
    expect([over.code, over.stderr]).toEqual([0, ""]);
    expect((await replay("--replay", path("mine"), "--format", "json", "--speed", "9")).code).toBe(0);
  });

  test("is made in a folder of another user's, and by a capture that works only", async () => {
    mkdirSync(path("others"));
    chownSync(path("others"), 65534, 65534);
    const made = await run(process.execPath, live("-b", "-n", "1", "--record", path("others/x")));
    expect([made.code, made.stderr]).toEqual([0, ""]);
    const before = readFileSync(path("others/x"));
    for (const name of ["others/x", "others/y"]) {
      const hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';
      const command = ["--mount", "sh", "-c", hide, "sh", process.execPath];
      const exit = await run("unshare", [...command, ...live("--record", path(name), "--overwrite")]);
      expect([exit.code, exit.stdout]).toEqual([69, ""]);
    }
    expect(readFileSync(path("others/x")).equals(before)).toBe(true);
    expect(existsSync(path("others/y"))).toBe(false);
  });

  test("has one recorder, whose file nobody can read but its owner and group", async () => {
    const { child, ended } = start("one", live("--format", "json", "--record", path("one.tcptop")));
    expect(await eventually(async () => summaries(contents("one.out")) > 0)).toBe(true);
    expect(statSync(path("one.tcptop")).mode & 0o137).toBe(0);
    const second = await run(process.execPath, live("-b", "--record", path("one.tcptop"), "--overwrite"));
    expect([second.code, second.stdout, second.stderr]).toEqual([
      73,
      "",
      `error: cannot record to ${path("one.tcptop")}: another tcptop writes to it\n`,
    ]);
    child.kill("SIGINT");
    expect(await ended).toBe(0);
  });

  test("is neither the log nor what standard output goes to: one line, 64", async () => {
    const both = await run(process.execPath, live("-b", "--log", path("twice"), "--record", path("./twice")));
    expect([both.code, both.stdout, both.stderr]).toEqual([
      64,
      "",
      `error: cannot record to ${path("twice")}: it is also the file of --log\n`,
    ]);
    expect(existsSync(path("twice"))).toBe(false);
    for (const [flag, verb] of [
      ["--log", "log"],
      ["--record", "record"],
    ] as const) {
      const { ended } = start("same", live("-n", "1", flag, path("same.out")));
      expect([await ended, contents("same.out"), contents("same.err")]).toEqual([
        64,
        "",
        `error: cannot ${verb} to ${path("same.out")}: it is also the file of standard output\n`,
      ]);
    }
  });

  test("is not made without the privilege to capture", async () => {
    const exit = await replay("--record", path("never"), "-b");
    expect(exit).toMatchObject({
      code: 77,
      stderr: "error: tcptop requires root privileges. Run with sudo.\n",
    });
    expect(existsSync(path("never"))).toBe(false);
  });
});

describe("the demo", () => {
  const DEMO = fileURLToPath(new URL("../../demo/demo.tcptop", import.meta.url));
  const fast = ["--demo", "--speed", "1000", "--format", "json"];
  let whole = "";
  beforeAll(async () => {
    const exit = await run(process.execPath, [TCPTOP, ...fast]);
    expect([exit.code, exit.stderr]).toEqual([0, ""]);
    whole = exit.stdout;
  });

  test.skipIf(cannotRun)(`runs as an ordinary user${cannotRun ? `: ${cannotRun}` : ""}`, async () => {
    const exit = await replay("--demo", "--batch", "-n", "3");
    expect([exit.code, exit.stderr]).toEqual([0, ""]);
    expect(exit.stdout).toMatch(/^# tcptop \d+\.\d+\.\d+: backend fentry, kernel 6\.12\.\S+\n/);
    expect(exit.stdout).toContain("192.0.2.10:443");
  });

  test("needs no addon", async () => {
    const root = fileURLToPath(new URL("../..", import.meta.url));
    for (const part of ["bin", "dist", "demo", "package.json"]) {
      cpSync(join(root, part), path(`package/${part}`), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), path("package/node_modules"));
    const exit = await run(process.execPath, [path("package/bin/tcptop.js"), ...fast]);
    expect([exit.code, exit.stderr, exit.stdout === whole]).toEqual([0, "", true]);
  });

  test("is the same from a file, and from a pipe", async () => {
    const script = '"$1" "$2" --replay - --speed 1000 --format json < "$3"';
    const pipe = await run("sh", [
      "-c",
      `cat "$3" | ${script.replace(' < "$3"', "")}`,
      "sh",
      process.execPath,
      TCPTOP,
      DEMO,
    ]);
    expect([pipe.code, pipe.stderr, pipe.stdout === whole]).toEqual([0, "", true]);
    const file = await run("sh", ["-c", script, "sh", process.execPath, TCPTOP, DEMO]);
    expect([file.code, file.stderr, file.stdout === whole]).toEqual([0, "", true]);
  });

  test("is whole for a reader that is slow", async () => {
    const child = spawn(process.execPath, [TCPTOP, ...fast], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    let read = "";
    child.stdout.setEncoding("utf8");
    for await (const text of child.stdout as AsyncIterable<string>) {
      read += text;
      // Whatever else there is to do comes first, many times.
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
    expect(read === whole).toBe(true);
  });

  test("ends with its reader", async () => {
    const script = '"$@" | head -1 > /dev/null; echo "$' + '{PIPESTATUS[0]}"';
    const { stdout, stderr } = await run("bash", ["-c", script, "bash", process.execPath, TCPTOP, ...fast]);
    expect([stdout, stderr]).toEqual(["0\n", ""]);
  });

  test("cut short replays with a warning; damaged, foreign or missing it is one line and a code", async () => {
    const bytes = readFileSync(DEMO);
    writeFileSync(path("cut"), bytes.subarray(0, -10));
    const cut = await replay("--replay", path("cut"), ...fast.slice(1));
    expect([cut.code, whole.startsWith(cut.stdout), summaries(whole) - summaries(cut.stdout)]).toEqual([
      0,
      true,
      1,
    ]);
    expect(cut.stderr).toBe(
      "warning: the recorder was stopped while it wrote: an unfinished refresh is left out\n",
    );
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1);
    writeFileSync(path("damaged"), damaged);
    const half = await replay("--replay", path("damaged"), ...fast.slice(1));
    expect([half.code, whole.startsWith(half.stdout), summaries(half.stdout) > 10]).toEqual([74, true, true]);
    expect(half.stderr).toMatch(/^error: \S+: byte \d+: [^\n]+\n$/);
    for (const [name, message] of [
      [TCPTOP, `error: ${TCPTOP} is not a recording of tcptop; --record makes one\n`],
      [
        path("nothing"),
        `error: --replay: cannot read '${path("nothing")}': ENOENT: no such file or directory\n`,
      ],
      [folder, `error: --replay: cannot read '${folder}': it is a directory\n`],
      ["/dev/null", "error: /dev/null is empty; --record makes one\n"],
    ] as const) {
      expect(await replay("--replay", name, "-b")).toMatchObject({ code: 64, stdout: "", stderr: message });
    }
  });

  test("on a terminal pauses, seeks, changes its speed, ends and stays, and leaves all as it was", async () => {
    const script = `before=$(stty -g); ${process.execPath} ${TCPTOP} --demo; code=$?; [ "$before" = "$(stty -g)" ] && echo "left code=$code"`;
    const terminal = new PseudoTerminal(script, { columns: 140 });
    terminals.push(terminal);
    await terminal.line(/replay demo 00:0\d \/ 03:0\d ×1 $|replay demo 00:0\d \/ 03:0\d ×1$/);
    terminal.type(" ");
    await terminal.line(/replay demo 00:\d\d \/ 03:0\d ×1 paused/);
    /** The screen once it stays as it is: a frame may come in several writes. */
    const drawn = async () => {
      let before: readonly string[] = [];
      await eventually(async () => {
        const now = [...terminal.screen.lines];
        const isSame = now.join("\n") === before.join("\n");
        before = now;
        return isSame;
      });
      return before;
    };
    const fromStart = async (keys: string, place: RegExp) => {
      terminal.type("{{{{");
      await terminal.line(/replay demo 00:00 /);
      terminal.type(keys);
      await terminal.line(place);
      return drawn();
    };
    // Refreshes come when they come: the one before a moment may be most of a second older.
    const shown = await fromStart("}", /replay demo (00:59|01:00) \/ 03:0\d ×1 paused/);
    expect(shown.join("\n")).toContain("nginx");
    await fromStart("]]", /replay demo 00:(18|19|20) \/ 03:0\d ×1 paused/);
    const again = await fromStart("}", /replay demo (00:59|01:00) \/ 03:0\d ×1 paused/);
    expect(again).toEqual(shown);
    terminal.type("?");
    await terminal.line(/\[ \] +back, forward by 10 s/);
    terminal.type("\x1b ++++");
    await terminal.line(/ ×16/);
    terminal.type("}}}");
    await terminal.line(/replay demo (03:0\d) \/ \1 ×16 end/);
    terminal.type("[");
    await terminal.line(/replay demo (02:5\d|03:0\d) \/ 03:0\d ×16( paused)?$/);
    terminal.type("q");
    await terminal.printed(/left code=0/);
    expect(terminal.screen.unknown).toEqual([]);
  });
});
