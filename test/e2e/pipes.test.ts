/** tcptop in pipes: every refresh arrives whole and at once, and no reader makes it grow or fail. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { cannotRun, cannotRunWithout, eventually, Load, REFRESH_S, run, scaled, TCPTOP } from "./harness.ts";

const folder = cannotRun ? "" : mkdtempSync(join(tmpdir(), "tcptop-pipes-"));
const PID = join(folder, "pid");
const OUT = join(folder, "out");

const BATCH = [process.execPath, TCPTOP, "-d", REFRESH_S, "--batch"];

/** `tcptop "$@"` at the head of a pipe, with its process id in a file; the script ends with all exit codes. */
function script(pipe: string): string {
  return `sh -c 'echo $$ > ${PID}; exec "$@"' sh "$@" ${pipe}; echo "\${PIPESTATUS[*]}" >&2`;
}

function pipe(to: string, ...args: string[]): readonly [string, string[]] {
  return ["bash", ["-c", script(to), "bash", ...BATCH, ...args]];
}

const started: ChildProcess[] = [];

function start(to: string, ...args: string[]) {
  const [command, words] = pipe(to, ...args);
  const child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  started.push(child);
  let codes = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    codes += text;
  });
  const ended = once(child, "close").then(() => codes);
  return { child, ended };
}

function tcptopPid(): number {
  return Number(readFileSync(PID, "utf8"));
}

function residentBytes(): number {
  const pages = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${tcptopPid()}/status`, "utf8"))?.[1];
  return Number(pages) * 1024;
}

function parse(text: string): Record<string, unknown>[] {
  const lines = text.split("\n");
  expect(lines.pop()).toBe("");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

afterEach(() => {
  for (const child of started.splice(0)) {
    // Its group: tcptop, and a reader that may still sleep.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }
  if (folder !== "") rmSync(OUT, { force: true });
});
afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true });
});

describe.skipIf(cannotRun)(`tcptop${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  const withoutJq = cannotRunWithout("jq");
  test.skipIf(withoutJq)(`| jq understands every line${withoutJq ? `: ${withoutJq}` : ""}`, async () => {
    const [command, args] = pipe("| jq -r .event", "--format", "json", "-n", "3");
    const { stdout, stderr } = await run(command, args);
    const events = stdout.trimEnd().split("\n");
    expect([events[0], events.filter((event) => event === "summary").length, stderr]).toEqual([
      "start",
      3,
      "0 0\n",
    ]);
  });

  test.for([
    ["head -n 2", "json", 2],
    ["head -c 7", "text", 0],
    ["head -n 1", "csv", 1],
    ["true", "json", 0],
  ] as const)("| %s, and it ends with 0", async ([reader, format, lines]) => {
    const [command, args] = pipe(`| ${reader}`, "--format", format);
    const { stdout, stderr } = await run(command, args);
    expect([stdout.split("\n").length - 1, stderr]).toEqual([lines, "0 0\n"]);
  });

  test("| grep --line-buffered gets each refresh when it happens", async () => {
    const { child, ended } = start(`| grep --line-buffered '"event":"summary"'`, "--format", "json");
    const times: number[] = [];
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    for await (const line of lines) {
      times.push(Date.parse(String((JSON.parse(line) as Record<string, unknown>)["time"])));
      if (times.length === 3) process.kill(tcptopPid(), "SIGINT");
    }
    // The last one was made by the signal.
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(await ended).toBe("0 0\n");
  });

  test("> file and >> file hold whole lines", async () => {
    const [command, args] = pipe(`> ${OUT}`, "--format", "json", "-n", "2");
    expect(await run(command, args)).toMatchObject({ stdout: "", stderr: "0\n" });
    const before = readFileSync(OUT, "utf8");
    const [again, more] = pipe(`>> ${OUT}`, "--format", "json", "-n", "2");
    expect(await run(again, more)).toMatchObject({ stdout: "", stderr: "0\n" });
    const text = readFileSync(OUT, "utf8");
    expect(text.startsWith(before)).toBe(true);
    const count = (event: string) => parse(text).filter((line) => line["event"] === event).length;
    expect([count("start"), count("summary")]).toEqual([2, 4]);
  });

  test("> /dev/full is 74", async () => {
    const [command, args] = pipe("> /dev/full");
    expect((await run(command, args)).stderr).toBe(
      "error: cannot write to standard output: ENOSPC: no space left on device\n74\n",
    );
  });

  const SLOW_READER = [
    "import os, time",
    `with open("${OUT}", "wb") as out:`,
    "    while data := os.read(0, 1000):",
    "        out.write(data)",
    "        time.sleep(0.01)",
  ].join("\n");

  const withoutPython = cannotRunWithout("python3");
  test.skipIf(withoutPython)(
    `told to end before a slow reader, it ends with a summary of what is missing${withoutPython ? `: ${withoutPython}` : ""}`,
    async () => {
      const load = await Load.start(10_000, 300);
      try {
        const { ended } = start(`| python3 -c '${SLOW_READER}'`, "--format", "json", "--pid", load.pids);
        expect(await eventually(async () => existsSync(OUT) && statSync(OUT).size > 0)).toBe(true);
        process.kill(tcptopPid(), "SIGTERM");
        const [, missing] =
          /^error: (\d+) events not written to standard output, the reader was too slow\n74 0\n$/.exec(
            await ended,
          ) ?? [];
        const lines = parse(readFileSync(OUT, "utf8"));
        expect(lines.at(-1)).toMatchObject({ event: "summary", events_skipped: Number(missing) });
        expect(Number(missing)).toBeGreaterThan(5_000);
      } finally {
        await load.end();
      }
    },
  );

  test("told to end before a reader that sleeps, it says how much is missing, and no line is half", async () => {
    const go = join(folder, "wake");
    const log = join(folder, "asleep.csv");
    expect((await run("mkfifo", [go])).code).toBe(0);
    const load = await Load.start(10_000, 300);
    try {
      const filter = ["--pid", load.pids, "--log", log];
      const { child, ended } = start(
        `| (read -r go < ${go}; exec cat > ${OUT})`,
        "--format",
        "json",
        ...filter,
      );
      expect(await eventually(async () => existsSync(log) && statSync(log).size > 1_000_000)).toBe(true);
      process.kill(tcptopPid(), "SIGTERM");
      const [message] = await once(child.stderr as NodeJS.ReadableStream, "data");
      expect(String(message)).toMatch(
        /^error: \d+ events not written to standard output, the reader was too slow\n$/,
      );
      writeFileSync(go, "\n");
      expect(await ended).toBe(`${message}74 0\n`);
      expect(parse(readFileSync(OUT, "utf8"))[0]).toMatchObject({ event: "start" });
    } finally {
      await load.end();
    }
  });

  test("before a reader that sleeps does not grow, and tells it later what it missed", async () => {
    const log = join(folder, "log.csv");
    const go = join(folder, "go");
    const flows = scaled(10_000);
    expect((await run("mkfifo", [go])).code).toBe(0);
    const load = await Load.start(flows, 300);
    try {
      const filter = ["--pid", load.pids, "--log", log];
      const { ended } = start(`| (read -r go < ${go}; exec cat > ${OUT})`, "--format", "json", ...filter);
      const logged = (rows: number) =>
        eventually(async () => existsSync(log) && statSync(log).size > rows * 190);
      // What did not change once has been seen by now, and what is kept has its size.
      expect(await logged(4 * flows)).toBe(true);
      const before = { resident: residentBytes(), log: statSync(log).size };
      expect(await logged(16 * flows)).toBe(true);
      // Garbage goes; text that waits for the reader would not, and as JSON it is twice as long as the log.
      const isFlat = () => residentBytes() - before.resident < statSync(log).size - before.log;
      expect(await eventually(async () => isFlat())).toBe(true);
      expect(existsSync(OUT)).toBe(false);

      writeFileSync(go, "\n");
      const out = () => (existsSync(OUT) ? readFileSync(OUT, "utf8") : "");
      expect(await eventually(async () => /"refreshes_skipped":[1-9]/.test(out()))).toBe(true);
      process.kill(tcptopPid(), "SIGINT");
      expect(await ended).toBe("0 0\n");
    } finally {
      await load.end();
    }

    const lines = parse(readFileSync(OUT, "utf8"));
    const summaries = lines.filter(({ event }) => event === "summary");
    const rows = readFileSync(log, "utf8")
      .split("\n")
      .slice(1, -1)
      .map((line) => line.split(","));
    // The log has every refresh, and first what existed before.
    const refreshes = new Set(rows.map(([time]) => time)).size - 1;
    expect(Number(summaries.at(-1)?.["refreshes_skipped"]) + summaries.length).toBe(refreshes);
    expect(summaries.at(-1)?.["events_skipped"]).toBe(0);
    // Both end with the same figures of every connection.
    const latest = new Map(rows.map((cells) => [`${cells[4]} ${cells[6]}`, cells.slice(10, 12).map(Number)]));
    const told = lines.filter(({ event }) => event === "open" || event === "update" || event === "close");
    expect(
      new Map(
        told.map((line) => [
          `${line["local_port"]} ${line["remote_port"]}`,
          [line["bytes_in"], line["bytes_out"]],
        ]),
      ),
    ).toEqual(latest);
    expect(latest.size).toBeGreaterThanOrEqual(flows);
  });
});
