// `npm run fuzz -- [--target NAME]... [--seconds N] [--seed N] [--jobs N] [--minimise]`: fuzzes targets, some at a time.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root, run, say } from "./lib.mjs";
import { buildSanitized, cannotSanitize, sanitizedEnvironment, sanitizerReports } from "./sanitize.mjs";

const BUILD = join(root, "build/fuzz");
const TARGETS = join(root, "test/fuzz/targets");

/**
 * One input that takes more processor time does not come to an end; nor does one that takes so long by the clock, of
 * which a busy machine takes its share.
 */
const HANG = { cpuS: 30, wallS: 300 };

/** USER_HZ, proc_pid_stat(5): a constant on the processors that Node has. */
const TICKS_PER_S = 100;

/** Runs with the sanitized addon. */
const ADDON = "addon";

export const targetNames = readdirSync(TARGETS)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length));

/** @typedef {"passed" | "failed" | "skipped"} Outcome */

/**
 * What fuzzing one target gave; a finding ends it.
 * @typedef {object} Result
 * @property {number} runs
 * @property {number} [corpus]
 * @property {number} [characters]
 * @property {number} [seeds] with --minimise
 * @property {{ path: string, stack: string }} [finding]
 */

/**
 * What a process that can say nothing any more was running.
 * @param {string} current
 */
function lastInput(current) {
  const note = readFileSync(current);
  return note.subarray(12, 12 + note.readUInt32LE(8));
}

/**
 * How many runs a process has begun; 0 before the first.
 * @param {string} current
 */
function runsBegun(current) {
  try {
    return readFileSync(current).readBigUInt64LE(0);
  } catch {
    return 0n;
  }
}

/**
 * Processor time that a process has taken, in seconds; 0 when it is gone.
 * @param {number | undefined} pid
 */
function cpuSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which may contain anything: utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  } catch {
    return 0;
  }
}

/**
 * @param {string} corpus
 * @param {string} current
 * @param {string} kind
 * @param {number} seed
 */
function keepInput(corpus, current, kind, seed) {
  mkdirSync(corpus, { recursive: true });
  const path = join(corpus, `${kind}-${seed}-${runsBegun(current)}`);
  writeFileSync(path, lastInput(current));
  return path;
}

/**
 * Runs one target. Resolves to its counts, and to the finding if there is one.
 * @param {string} name
 * @param {{ seconds: number, seed: number, minimise: boolean }} settings
 * @returns {Promise<Result>}
 */
async function fuzzTarget(name, { seconds, seed, minimise }) {
  const corpus = join(root, "test/fuzz/corpus", name);
  const work = join(BUILD, "corpus", name);
  const current = join(BUILD, "current", name);
  mkdirSync(join(BUILD, "current"), { recursive: true });
  writeFileSync(current, Buffer.alloc(12));
  const module = pathToFileURL(join(BUILD, "test/fuzz/targets", `${name}.js`)).href;
  const sources = pathToFileURL(join(BUILD, "src/")).href;
  const request = { module, sources, seconds, seed, corpus, work, current, minimise };
  const child = spawn(
    process.execPath,
    ["--enable-source-maps", join(BUILD, "test/fuzz/engine/main.js"), JSON.stringify(request)],
    {
      cwd: root,
      env: name === ADDON ? sanitizedEnvironment() : process.env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let answer = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    answer += text;
  });
  child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    errors += text;
  });
  let hangs = false;
  let before = { runs: -1n, cpuS: 0, wallS: 0 };
  const started = performance.now();
  const watch = setInterval(() => {
    const now = {
      runs: runsBegun(current),
      cpuS: cpuSeconds(child.pid),
      wallS: (performance.now() - started) / 1000,
    };
    if (now.runs !== before.runs) before = now;
    if (now.cpuS - before.cpuS < HANG.cpuS && now.wallS - before.wallS < HANG.wallS) return;
    hangs = true;
    child.kill("SIGKILL");
  }, 1000);
  const [code, signal] = /** @type {[number | null, string | null]} */ (await once(child, "close"));
  clearInterval(watch);
  const reports = name === ADDON ? sanitizerReports() : [];
  if (code === 0 && reports.length === 0) return JSON.parse(answer);
  errors += reports.join("\n");
  const path = keepInput(corpus, current, hangs ? "hang" : "crash", seed);
  const why = hangs
    ? `no end after ${HANG.cpuS} s of processor time or ${HANG.wallS} s`
    : `exit ${code ?? signal}`;
  return { runs: Number(runsBegun(current)), finding: { path, stack: `${why}\n${errors}` } };
}

/** What `npm test` asks for: 5 s of each target, or TCPTOP_FUZZ_SECONDS; TCPTOP_FUZZ_SEED repeats a run. */
export function fuzzSettings() {
  const { TCPTOP_FUZZ_SECONDS = "5", TCPTOP_FUZZ_SEED = String(randomInt(2 ** 32)) } = process.env;
  return { seconds: Number(TCPTOP_FUZZ_SECONDS), seed: Number(TCPTOP_FUZZ_SEED) };
}

/** Compiles sources and targets, with the project's own compiler: Node 20 does not run TypeScript. */
function buildFuzz() {
  return run("npx", ["--no-install", "tsc", "-p", "tsconfig.fuzz.json"]) === 0;
}

/**
 * @param {string} name
 * @param {Result} result
 */
function describe(name, { runs, corpus, characters, seeds, finding }) {
  if (seeds !== undefined) return `fuzz ${name}: ${seeds} seeds are enough`;
  const counts = `${runs} runs, ${corpus ?? "?"} inputs, ${characters ?? "?"} characters of source reached`;
  if (finding === undefined) return `fuzz ${name}: ${counts}`;
  const bytes = readFileSync(finding.path).toString("base64");
  return `fuzz ${name}: FAILED after ${runs} runs; kept as ${finding.path} (base64 ${bytes})\n${finding.stack}`;
}

/**
 * Fuzzes the targets, `jobs` at a time; resolves to the outcome of each.
 * @param {{ targets?: string[] | undefined, seconds: number, seed: number, jobs?: number | undefined, minimise?: boolean }} settings
 * @returns {Promise<Map<string, Outcome>>}
 */
export async function fuzz({ targets = targetNames, seconds, seed, jobs, minimise = false }) {
  const cannotRun = (/** @type {string} */ name) => (name === ADDON ? cannotSanitize : null);
  const skipped = targets.filter(cannotRun);
  for (const name of skipped) say(`fuzz ${name}: skipped: ${cannotRun(name)}`);
  /** @type {Map<string, Outcome>} */
  const ends = new Map(skipped.map((name) => [name, "skipped"]));
  const areBuilt = buildFuzz();
  /** @type {string[]} */
  const waiting = [];
  for (const name of targets.filter((target) => !skipped.includes(target))) {
    if (areBuilt && (name !== ADDON || (await buildSanitized()))) waiting.push(name);
    else {
      ends.set(name, "failed");
      say(`fuzz ${name}: FAILED: cannot be built`);
    }
  }
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = await fuzzTarget(name, { seconds, seed, minimise });
      ends.set(name, result.finding === undefined ? "passed" : "failed");
      say(describe(name, result));
    }
  };
  await Promise.all(Array.from({ length: jobs ?? availableParallelism() }, work));
  return ends;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values } = parseArgs({
    options: {
      target: { type: "string", multiple: true },
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(randomInt(2 ** 32)) },
      jobs: { type: "string" },
      minimise: { type: "boolean", default: false },
    },
  });
  const unknown = values.target?.find((name) => !targetNames.includes(name));
  const numbers = [values.seconds, values.seed, values.jobs ?? "1"].map(Number);
  if (unknown !== undefined || numbers.some((number) => !(number >= 0))) {
    say(`usage: npm run fuzz -- [--target NAME]... [--seconds N] [--seed N] [--jobs N] [--minimise]`);
    say(`targets: ${targetNames.join(", ")}`);
    process.exit(64);
  }
  say(`fuzz: seed ${values.seed}`);
  const ends = await fuzz({
    targets: values.target,
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    jobs: values.jobs === undefined ? undefined : Number(values.jobs),
    minimise: values.minimise,
  });
  process.exitCode = [...ends.values()].includes("failed") ? 1 : 0;
}
