/** Processes: each is seen once, with its parent, what it ran and how it ended; what is lost is counted. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { built, cannotRun, cannotRunWithout, must, run, scaled, TCPTOP, Tcptop } from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

/** An event of a process, in the words of tcptop's JSON. */
interface ProcessRow {
  readonly event: "fork" | "exec" | "exit" | string;
  readonly pid: number;
  readonly process_start: number;
  readonly ppid: number;
  readonly parent_start_time: number;
  readonly process: string;
  readonly executable: string | null;
  readonly arguments: string | null;
  readonly arguments_cut: boolean | null;
  readonly cwd: string | null;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
  readonly cpu_ms: number;
  readonly max_rss: number | null;
}

/** A process as `process-trees` made it. */
interface Made {
  readonly number: number;
  /** -1: the program that was started. */
  readonly maker: number;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
}

const TREES = built("process-trees");
const PROCESSES = 2000;

const rowsOf = (tcptop: Tcptop, since = 0) => tcptop.rows.slice(since) as unknown as ProcessRow[];
const identity = ({ pid, process_start }: ProcessRow) => `${pid} ${process_start}`;
const parentOf = ({ ppid, parent_start_time }: ProcessRow) => `${ppid} ${parent_start_time}`;

/** Rows by a name; several may have the same. */
function groupBy(
  rows: readonly ProcessRow[],
  nameOf: (row: ProcessRow) => string,
): Map<string, ProcessRow[]> {
  const groups = new Map<string, ProcessRow[]>();
  for (const row of rows) {
    const group = groups.get(nameOf(row));
    if (group === undefined) groups.set(nameOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

/** What became of one process, as far as tcptop has told it. */
function toldOf(number: number, count: number, rows: ProcessRow[], byIdentity: Map<string, ProcessRow[]>) {
  const words = `process-trees node ${number} ${count}`;
  const execs = rows.filter((row) => row.event === "exec" && row.arguments === words);
  const own = execs.flatMap((row) => byIdentity.get(identity(row)) ?? []);
  const named = (event: string) => own.filter((row) => row.event === event);
  return { execs, forks: named("fork"), exits: named("exit") };
}

/** All that was made beside all that was told, in the same form. */
function compare(made: readonly Made[], rows: ProcessRow[]) {
  const byIdentity = groupBy(rows, identity);
  const byWords = groupBy(
    rows.filter(({ event }) => event === "exec"),
    (row) => row.arguments ?? "",
  );
  const identityOf = (number: number) => {
    const [exec] = byWords.get(`process-trees node ${number} ${made.length}`) ?? [];
    return exec === undefined ? null : identity(exec);
  };
  const told = made.map(({ number, maker }) => {
    const { execs, forks, exits } = toldOf(
      number,
      made.length,
      byWords.get(`process-trees node ${number} ${made.length}`) ?? [],
      byIdentity,
    );
    const parents = [...execs, ...forks].map(parentOf);
    return {
      number,
      execs: execs.map(({ executable, arguments_cut }) => [executable, arguments_cut]),
      forks: forks.length,
      parents: maker < 0 ? parents.length : parents.map((parent) => parent === identityOf(maker)),
      exits: exits.map(({ exit_code, exit_signal }) => ({ exit_code, exit_signal })),
    };
  });
  const expected = made.map(({ number, maker, exit_code, exit_signal }) => ({
    number,
    execs: [[TREES, false]],
    forks: 1,
    parents: maker < 0 ? 2 : [true, true],
    exits: [{ exit_code, exit_signal }],
  }));
  return { told, expected };
}

function linesOf<T>(text: string): T[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

async function madeBy(...args: string[]): Promise<Made[]> {
  return linesOf<Made>(await must(TREES, ...args));
}

const LOSSES = { forks_lost: 0, execs_lost: 0, exits_lost: 0, process_records_invalid: 0 };

function lossesOf(tcptop: Tcptop): Readonly<Record<keyof typeof LOSSES, number>> {
  const last = (tcptop.summaries.at(-1)?.["processes"] ?? {}) as Record<string, number>;
  const names = Object.keys(LOSSES) as (keyof typeof LOSSES)[];
  return Object.fromEntries(names.map((name) => [name, last[name] ?? Number.NaN])) as Record<
    keyof typeof LOSSES,
    number
  >;
}

describe.skipIf(cannotRun !== null)("processes", () => {
  let tcptop: Tcptop;

  beforeAll(async () => {
    tcptop = await Tcptop.start("auto", "--processes", "--forks");
    await tcptop.refreshed();
  });

  afterAll(async () => {
    const { code, stderr } = await tcptop.stop();
    expect([code, stderr]).toEqual([0, ""]);
  });

  test.each([
    ["trees with threads, vfork and signals", []],
    ["trees in a pid namespace of their own", ["apart"]],
  ])("%s: each process once, with its parent, arguments and end", async (_, how) => {
    const since = tcptop.rows.length;
    const made = await madeBy("trees", String(scaled(PROCESSES)), ...how);
    await tcptop.refreshed();
    const { told, expected } = compare(made, rowsOf(tcptop, since));
    expect(told).toEqual(expected);
    expect(lossesOf(tcptop)).toEqual(LOSSES);
  });

  test("an orphan keeps its maker and tells who adopted it; a sibling of its maker is its parent's child", async () => {
    const since = tcptop.rows.length;
    interface Adopted {
      readonly self: number;
      readonly maker: number;
      readonly orphan: number;
      readonly sibling: number;
    }
    const [made] = linesOf<Adopted>(await must(TREES, "adopted"));
    if (made === undefined) throw new Error("nothing was made");
    await tcptop.refreshed();
    const rows = rowsOf(tcptop, since);
    const told = (pid: number) =>
      rows.filter((row) => row.pid === pid).map(({ event, ppid }) => [event, ppid]);
    expect(told(made.orphan)).toEqual([
      ["fork", made.maker],
      ["exit", made.self],
    ]);
    expect(told(made.sibling)).toEqual([
      ["fork", made.self],
      ["exit", made.self],
    ]);
  });

  test("an exec that fails is none, and long arguments are cut and marked", async () => {
    const since = tcptop.rows.length;
    const long = "x".repeat(2000);
    const failed = await run("sh", ["-c", "exec /no/such/program"]);
    expect(failed.code).toBe(127);
    await must("env", "true", long);
    await tcptop.refreshed();
    const execs = rowsOf(tcptop, since).filter(({ event }) => event === "exec");
    expect(execs.filter((row) => row.arguments?.startsWith("/no/such/program"))).toEqual([]);
    const cut = execs.filter((row) => row.arguments?.startsWith("true xxx"));
    expect(cut.map((row) => [row.arguments, row.arguments_cut, row.executable?.split("/").at(-1)])).toEqual([
      [`true ${"x".repeat(1019)}`, true, "true"],
    ]);
  });

  test("a storm of 5,000 processes a second is seen whole", async () => {
    const since = tcptop.rows.length;
    const storms = await Promise.all(
      [0, 1].map(() => must(TREES, "storm", String(scaled(2500)), "2", built("nothing"))),
    );
    const made = storms
      .flatMap((text) => linesOf<{ made: number }>(text))
      .reduce((sum, one) => sum + one.made, 0);
    await tcptop.refreshed();
    const rows = rowsOf(tcptop, since).filter((row) => row.process === "nothing");
    const count = (event: string) => rows.filter((row) => row.event === event).length;
    expect([count("exec"), count("exit")]).toEqual([made, made]);
    expect(lossesOf(tcptop)).toEqual(LOSSES);
  });

  test("what finds no room in the ring buffer is counted", async () => {
    const small = await Tcptop.start("auto", "--processes", "--process-ring-bytes", "4096");
    onTestFinished(async () => {
      await small.stop("SIGKILL");
    });
    await Promise.all([small.refreshed(), tcptop.refreshed()]);
    const [since, sinceSmall] = [tcptop.rows.length, small.rows.length];
    const before = lossesOf(small);
    const [storm] = linesOf<{ made: number }>(
      await must(TREES, "storm", String(scaled(2000)), "1", built("nothing")),
    );
    await Promise.all([small.refreshed(), tcptop.refreshed()]);
    const after = lossesOf(small);
    const isExec = ({ event }: ProcessRow) => event === "exec";
    const all = rowsOf(tcptop, since).filter(isExec);
    const seen = rowsOf(small, sinceSmall).filter(isExec);
    const made = all.filter(({ process }) => process === "nothing").length;
    expect(made).toBe(storm?.made);
    const lost = after.execs_lost - before.execs_lost;
    expect(lost).toBeGreaterThan(0);
    // What else ran meanwhile is in both or is among the lost ones.
    const known = new Set(seen.map(identity));
    const others = all.filter((row) => row.process !== "nothing" && !known.has(identity(row))).length;
    const missing = made - seen.filter(({ process }) => process === "nothing").length;
    expect(lost).toBeGreaterThanOrEqual(missing);
    expect(lost).toBeLessThanOrEqual(missing + others);
  });
});

describe.skipIf(cannotRun !== null)("a watched tree", () => {
  interface FileRow {
    readonly event: string;
    readonly pid: number;
    readonly path: string;
    readonly flags: string;
    readonly error: string | null;
  }

  const folder = mkdtempSync(join(tmpdir(), "tcptop-files-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What a shell with a name of its own does, by tcptops that watch files in ways of their own. */
  async function filesOf(script: string, ...args: string[]) {
    const name = "tcptop-watched";
    const shell = join(folder, name);
    copyFileSync("/bin/sh", shell);
    const tcptop = await Tcptop.start("auto", "--tree", name, ...args);
    onTestFinished(async () => {
      await tcptop.stop("SIGKILL");
    });
    await tcptop.refreshed();
    // One of the same name and one of another.
    await Promise.all([run(shell, ["-c", script]), run("sh", ["-c", script])]);
    await tcptop.refreshed();
    const rows = tcptop.rows as unknown as (FileRow & ProcessRow)[];
    const files = rows.filter(({ event, path }) => event === "file" && path.includes(folder));
    return {
      files: files.map(({ path, flags, error }) => [path.replace(folder, ""), flags, error]),
      execs: rows.filter(({ event }) => event === "exec").map(({ process }) => process),
    };
  }

  test("tells the files that it writes or makes, and what it runs", async () => {
    const { files, execs } = await filesOf(
      `cd ${folder}; echo > new; (true; cat new) > copy; : < new; true`,
      "--files",
    );
    const writing = "wronly,creat,trunc";
    expect(files).toEqual([
      ["/new", writing, null],
      ["/copy", writing, null],
    ]);
    expect(execs.toSorted()).toEqual(["cat", "tcptop-watched"]);
  });

  test("tells the files that it reads too, and what was refused as it was asked for", async () => {
    writeFileSync(join(folder, "read"), "");
    const { files } = await filesOf(`cat ${folder}/read; echo > ${folder}/no/file; true`, "--files=all");
    expect(files).toEqual([
      ["/read", "rdonly", null],
      ["/no/file", "wronly,creat,trunc", "ENOENT"],
    ]);
  });
});

describe.skipIf(cannotRunWithout("script") !== null)("on the screen", () => {
  test("the tree has a process under its maker, and its details the whole ancestry", async () => {
    const child = spawn("bash", ["-c", "exec -a tcptop-leaf sleep 60"]);
    const terminal = new PseudoTerminal(`${process.execPath} ${TCPTOP} -d 0.2 --processes`, { columns: 180 });
    onTestFinished(() => {
      terminal.kill();
      child.kill("SIGKILL");
    });
    await terminal.line(/RATE IN|REMOTE/);
    terminal.type("vvv");
    await terminal.line(/PROCESS +CONNS/);
    terminal.type("/tcptop-leaf\r");
    const line = await terminal.line(new RegExp(`^. *${child.pid} .*sleep`));
    expect(line).toMatch(/tcptop-leaf 60/);
    // The vitest that runs this stands above.
    await terminal.line(/▾ .*node/);
    terminal.type("\x1b[F\r");
    expect(await terminal.line(/Started by/)).toMatch(/ → node .*→ sleep/);
    terminal.type("q");
    await terminal.ended();
  });
});

describe.skipIf(cannotRun !== null)("a recording", () => {
  const folder = mkdtempSync(join(tmpdir(), "tcptop-recording-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("has the same events, and none of processes where these are not asked for", async () => {
    const file = join(folder, "x.tcptop");
    const tcptop = await Tcptop.start("auto", "--processes", "--forks", "--record", file);
    await tcptop.refreshed();
    const made = await madeBy("trees", "26");
    await tcptop.refreshed();
    await tcptop.stop();
    const ofProcesses = (rows: readonly ProcessRow[]) =>
      rows.filter(({ event }) => ["fork", "exec", "exit"].includes(event));
    const replayed = async (...args: string[]) => {
      const replay = ["--replay", file, "--speed", "1000", "--batch", "--format", "json"];
      const { code, stdout } = await run(process.execPath, [TCPTOP, ...replay, ...args]);
      expect(code).toBe(0);
      return ofProcesses(linesOf<ProcessRow>(stdout));
    };
    const live = ofProcesses(rowsOf(tcptop));
    expect(live.length).toBeGreaterThanOrEqual(3 * made.length);
    expect(await replayed("--processes", "--forks")).toEqual(live);
    expect(await replayed()).toEqual([]);
  });
});
