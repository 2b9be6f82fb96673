// What the project's scripts share: running commands and the state of the checkout.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Progress goes to stderr: stdout belongs to the program that runs at the end.
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * What a thrown value says.
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * A module of the built program, by its path in src/ without the ending; whoever asks for it names the source
 * as its type.
 * @param {string} path
 * @returns {Promise<unknown>}
 */
export function fromDist(path) {
  return import(new URL(`../dist/${path}.js`, import.meta.url).href);
}

/**
 * Runs a command in the checkout; its output goes to stderr. Returns its exit code (127: not found).
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnSyncOptions} options
 */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["inherit", 2, 2], ...options });
  if (result.error) return 127;
  return result.status ?? 1;
}

/**
 * As run(), while this process goes on. The command ends with it.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<number>}
 */
export async function runBeside(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  const kill = () => void child.kill();
  process.on("exit", kill);
  const [code] = await once(child, "exit").catch(() => [127]);
  process.off("exit", kill);
  return code ?? 1;
}

/**
 * As run(), and ends this process with the same code when it fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnSyncOptions} options
 */
export function must(command, args, options = {}) {
  const code = run(command, args, options);
  if (code !== 0) {
    say(`setup: ${[command, ...args].join(" ")} failed (exit ${code})`);
    process.exit(code);
  }
}

/**
 * What a command prints; empty when it fails.
 * @param {string} command
 * @param {readonly string[]} args
 */
export function output(command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return result.status === 0 ? result.stdout : "";
}

/**
 * Whether `file` exists and is no older than `other`.
 * @param {string} file
 * @param {string} other
 */
export function isFresh(file, other) {
  return existsSync(file) && statSync(file).mtimeMs >= statSync(other).mtimeMs;
}

/** @param {string} pid */
function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return "";
  }
}

/**
 * The broker of a tcptop, null for one without.
 * @param {number} pid
 */
export function brokerOf(pid) {
  const found = readdirSync("/proc").find((name) => {
    const stat = /^\d+$/.test(name) ? statOf(name) : "";
    return stat.startsWith(`${name} (tcptop-broker) `) && Number(stat.split(" ")[3]) === pid;
  });
  return found === undefined ? null : Number(found);
}
