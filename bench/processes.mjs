// The processes of the benchmark: tcptop and the tool under bench/native, all ended with this one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../scripts/lib.mjs";

const TOOL = join(root, "build/cmake/bench/bench_tool");
const TCPTOP = join(root, "bin/tcptop.js");

/** After which tcptop ends by itself, should nothing end it before. */
const MAX_SECONDS = 600;

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */
/** @typedef {import("node:stream").Readable} Readable */

/**
 * What tcptop says first.
 * @typedef {{ version: string, kernel: string, backend: string }} StartRecord
 */

/** @type {Set<ChildProcess>} */
const running = new Set();

process.on("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}

/**
 * Ends a process with this one.
 * @template {ChildProcess} T
 * @param {T} child
 * @returns {T}
 */
export function endWithThis(child) {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/**
 * Starts a process with its streams as pipes, that ends with this one.
 * @param {string} command
 * @param {readonly (string | number)[]} args
 */
function start(command, args, env = process.env) {
  const child = spawn(command, args.map(String), { cwd: root, stdio: ["pipe", "pipe", "pipe"], env });
  // A process that has ended takes no more input.
  child.stdin.on("error", () => {});
  return endWithThis(child);
}

/** @typedef {ReturnType<typeof start>} Piped */

/**
 * Collects a stream as text.
 * @param {Readable} stream
 */
function collect(stream) {
  let text = "";
  stream.setEncoding("utf8").on("data", (/** @type {string} */ part) => {
    text += part;
  });
  return () => text;
}

/** Thrown when a process ended with an error of its own: `code` is its exit code. */
export class Ended extends Error {
  /**
   * @param {string} name
   * @param {number | null} code
   * @param {string} text
   */
  constructor(name, code, text) {
    super(text.trim() || `${name} ended with exit code ${code}`);
    this.code = code;
  }
}

/**
 * Resolves to the first whole line of stdout; the rest is read and dropped. Throws Ended without one.
 * @param {Piped} child
 * @param {string} name
 * @returns {Promise<string>}
 */
async function firstLine(child, name) {
  const errors = collect(child.stderr);
  const read = collect(child.stdout);
  /** @type {Promise<string>} */
  const line = new Promise((resolve) => {
    child.stdout.on("data", () => {
      const end = read().indexOf("\n");
      if (end >= 0) resolve(read().slice(0, end));
    });
  });
  /** @type {Promise<never>} */
  const ended = once(child, "close").then(([code]) => {
    throw new Ended(name, code, errors());
  });
  const result = await Promise.race([line, ended]);
  ended.catch(() => {});
  child.stdout.removeAllListeners("data").resume();
  return result;
}

/**
 * Resolves once it has ended and all it printed has been read.
 * @param {Piped} child
 */
async function closed(child) {
  await Promise.all([ended(child), child.stdout.closed || once(child.stdout, "close")]);
}

/** @param {ChildProcess} child */
async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/**
 * Runs a mode of the tool to its end and resolves to what it printed.
 * @param {...(string | number)} args
 */
export async function runTool(...args) {
  const child = start(TOOL, args);
  const [output, errors] = [collect(child.stdout), collect(child.stderr)];
  const [code] = await once(child, "close");
  if (code !== 0) throw new Ended("bench_tool", code, errors());
  return output();
}

/**
 * Starts a mode of the tool that holds; resolves once it is ready. `end` resolves once it is gone, to what
 * it printed after its first line.
 * @param {...(string | number)} args
 */
export async function startTool(...args) {
  const child = start(TOOL, args);
  await firstLine(child, "bench_tool");
  const read = collect(child.stdout);
  return {
    pid: pidOf(child),
    async end() {
      child.stdin.end();
      await closed(child);
      return read();
    },
  };
}

/**
 * Runs a mode of the tool to its end, with each of its lines as it comes.
 * @param {(line: string) => void} takeLine
 * @param {...(string | number)} args
 */
export async function readTool(takeLine, ...args) {
  const child = start(TOOL, args);
  const errors = collect(child.stderr);
  createInterface({ input: child.stdout }).on("line", takeLine);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Ended("bench_tool", code, errors());
}

/**
 * Starts another program that runs until it is ended; resolves once it has printed a line.
 * @param {string} command
 * @param {readonly string[]} args
 */
export async function startProgram(command, args) {
  const child = start(command, args);
  await firstLine(child, command);
  return {
    pid: pidOf(child),
    end() {
      child.kill("SIGTERM");
      return ended(child);
    },
  };
}

/**
 * The process of a child that has been started.
 * @param {ChildProcess} child
 */
function pidOf({ pid, spawnfile }) {
  if (pid === undefined) throw new Ended(spawnfile, null, `${spawnfile} cannot be started`);
  return pid;
}

/** @param {string} backend */
function tcptopArguments(backend, delayS = 1, /** @type {readonly string[]} */ more = []) {
  const fixed = [TCPTOP, "--batch", "--format", "json", "--backend", backend];
  return [...fixed, "-d", delayS, "-n", Math.ceil(MAX_SECONDS / delayS), ...more].map(String);
}

/**
 * A running tcptop.
 * @template M
 * @param {ChildProcess} child
 * @param {M} more
 */
function tcptop(child, more) {
  return {
    pid: pidOf(child),
    end() {
      child.kill("SIGTERM");
      return ended(child);
    },
    ...more,
  };
}

/**
 * Starts tcptop; resolves with its first record, and how many milliseconds after exec that came.
 * @param {string} backend
 * @param {readonly string[]} more  further options
 */
export async function startTcptop(backend, ...more) {
  const startMs = performance.now();
  const child = start(process.execPath, tcptopArguments(backend, 1, more));
  const line = await firstLine(child, "tcptop");
  const firstRecordMs = performance.now() - startMs;
  const firstRecord = /** @type {StartRecord} */ (JSON.parse(line));
  return tcptop(child, { firstRecord, firstRecordMs });
}

/**
 * Starts tcptop with this delay; every piece of its output goes to `take`. Resolves with its first piece.
 * @param {string} backend
 * @param {number} delayS
 * @param {(piece: Buffer) => void} take
 */
export async function startReadTcptop(backend, delayS, take) {
  const child = start(process.execPath, tcptopArguments(backend, delayS));
  const errors = collect(child.stderr);
  child.stdout.on("data", take);
  const code = await Promise.race([
    once(child.stdout, "data").then(() => null),
    once(child, "close").then(([exitCode]) => exitCode),
  ]);
  if (code !== null) throw new Ended("tcptop", code, errors());
  return tcptop(child, {});
}

/**
 * Starts tcptop with its output thrown away.
 * @param {string} backend
 */
export function startSilentTcptop(backend) {
  const child = spawn(process.execPath, tcptopArguments(backend), { stdio: ["ignore", "ignore", "inherit"] });
  return tcptop(endWithThis(child), {});
}

/**
 * Starts tcptop with its screen on a pseudo-terminal of this size, whose contents are read and thrown
 * away. Resolves once it has its process.
 * @param {string} backend
 * @param {{ columns: number, rows: number }} size
 */
export async function startTcptopOnTerminal(backend, { columns, rows }) {
  const screen = `exec '${process.execPath}' '${TCPTOP}' -d 1 -n ${MAX_SECONDS} --backend ${backend}`;
  const command = `stty columns ${columns} rows ${rows}; echo $$; ${screen}`;
  const terminal = start("script", ["-qfec", command, "/dev/null"], {
    ...process.env,
    SHELL: "/bin/sh",
    TERM: "xterm-256color",
    LC_ALL: "C.UTF-8",
  });
  return {
    pid: Number(await firstLine(terminal, "tcptop")),
    end() {
      terminal.stdin.end("q");
      return ended(terminal);
    },
  };
}

/**
 * A file under /proc/PID, or null if the process has gone.
 * @param {number} pid
 * @param {string} file
 */
export function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return null;
  }
}
