// Processes of the scorecard: run to their end, or watched line by line while they run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { StringDecoder } from "node:string_decoder";
import { messageOf, root } from "../../scripts/lib.mjs";
import { endWithThis } from "../processes.mjs";

const STOP_AFTER_MS = 5000;
const READ_EVERY_MS = 50;

/**
 * Runs a command to its end. `code` is 127 when there is no such command.
 * @param {string} command
 * @param {readonly (string | number)[]} args
 */
export async function runToEnd(command, args, input = "") {
  const child = endWithThis(spawn(command, args.map(String), { cwd: root, stdio: ["pipe", "pipe", "pipe"] }));
  const text = { stdout: "", stderr: "" };
  for (const name of /** @type {const} */ (["stdout", "stderr"])) {
    child[name].setEncoding("utf8").on("data", (/** @type {string} */ part) => {
      text[name] += part;
    });
  }
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  try {
    const [code] = /** @type {[number | null]} */ (await once(child, "close"));
    return { code, ...text };
  } catch (error) {
    return { code: 127, stdout: "", stderr: messageOf(error) };
  }
}

/**
 * Runs a command that has to succeed; what it printed.
 * @param {string} command
 * @param {readonly (string | number)[]} args
 */
export async function must(command, args, input = "") {
  const { code, stdout, stderr } = await runToEnd(command, args, input);
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")}: exit ${code}: ${stderr.trim()}`);
  return stdout;
}

/**
 * A file that another process writes, read line by line as it grows. Unlike a pipe it takes everything at
 * once: tcptop leaves out steps for a reader that is slow.
 */
class GrowingFile {
  #path = join(mkdtempSync(join(tmpdir(), "tcptop-")), "output");
  #buffer = Buffer.alloc(1 << 20);
  #decoder = new StringDecoder("utf8");
  #position = 0;
  #rest = "";
  #takeLine;
  #timer;

  /** @param {(line: string) => void} takeLine */
  constructor(takeLine) {
    this.#takeLine = takeLine;
    this.fd = openSync(this.#path, "w+");
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
  }

  #read() {
    let bytes = 0;
    do {
      bytes = readSync(this.fd, this.#buffer, 0, this.#buffer.length, this.#position);
      this.#position += bytes;
      const lines = (this.#rest + this.#decoder.write(this.#buffer.subarray(0, bytes))).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#takeLine(line);
    } while (bytes > 0);
  }

  close() {
    clearInterval(this.#timer);
    this.#read();
    closeSync(this.fd);
    rmSync(dirname(this.#path), { recursive: true });
  }
}

/** A running process whose output is taken line by line. `byFile`: it writes to a file, not to a pipe. */
export class Watched {
  #child;
  /** @type {GrowingFile | undefined} */
  #file;
  /** @type {(() => void)[]} */
  #waiting = [];
  #errors = "";
  running = true;

  /**
   * @param {string} command
   * @param {readonly (string | number)[]} args
   * @param {(line: string) => void} takeLine
   */
  constructor(command, args, takeLine, { byFile = false } = {}) {
    const take = (/** @type {string} */ line) => {
      takeLine(line);
      this.#wake();
    };
    if (byFile) this.#file = new GrowingFile(take);
    // A pipe that stays open: iftop takes the end of its input for keys, without end.
    const stdio = /** @type {const} */ (["pipe", this.#file?.fd ?? "pipe", "pipe"]);
    this.#child = endWithThis(spawn(command, args.map(String), { cwd: root, stdio: [...stdio] }));
    this.#child.on("error", (error) => this.#ended(error.message));
    this.#child.on("close", () => this.#ended(""));
    this.#child.stderr?.setEncoding("utf8").on("data", (/** @type {string} */ part) => {
      this.#errors += part;
    });
    if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on("line", take);
  }

  get errors() {
    return this.#errors.trim();
  }

  /** @param {string} message */
  #ended(message) {
    this.#errors += message;
    this.running = false;
    this.#file?.close();
    this.#file = undefined;
    this.#wake();
  }

  #wake() {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * Whether the condition came true within this time, and before the process ended.
   * @param {() => boolean} condition
   * @param {number} limitMs
   */
  async until(condition, limitMs) {
    const deadlineMs = performance.now() + limitMs;
    for (;;) {
      if (condition()) return true;
      const leftMs = deadlineMs - performance.now();
      if (!this.running || leftMs <= 0) return false;
      /** @type {Promise<void>} */
      const woken = new Promise((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await woken;
    }
  }

  async stop() {
    this.#child.kill("SIGINT");
    if (!(await this.until(() => !this.running, STOP_AFTER_MS))) this.#child.kill("SIGKILL");
    await this.until(() => !this.running, STOP_AFTER_MS);
  }
}
