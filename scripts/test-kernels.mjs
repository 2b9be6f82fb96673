// `npm run test:kernels [-- --kernel 6.1 --backend kprobe --jobs 2]`: the real-kernel tests on stock Debian
// kernels in VMs and on this machine's own (`--kernel here`), with every backend that a kernel has; a table, and a
// last line that counts everything. A kernel that cannot be had here is skipped, saying why.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { messageOf, root, say } from "./lib.mjs";

// The backends that have to work on each kernel. Others are tried and skipped where they cannot load:
// the tracepoint backend needs sock_send_length (6.3).
const REQUIRED = new Map([
  ["5.10", ["fentry", "kprobe"]],
  ["6.1", ["fentry", "kprobe"]],
  ["6.12", ["fentry", "kprobe", "tracepoint"]],
  ["latest", ["fentry", "kprobe", "tracepoint"]],
]);
/** This machine's own kernel, which has what it has. */
const HERE = "here";
const KERNELS = [...REQUIRED.keys(), HERE];
const BACKENDS = ["fentry", "kprobe", "tracepoint"];
// What is not about one backend: how the program starts, refuses and ends.
const PROGRAM = "program";
const COLUMNS = [...BACKENDS, PROGRAM];
// Emulation is slow: a tenth of the traffic.
const SCALE = "0.1";
const CPUS_PER_GUEST = 2;

const VM_RUN = join(root, "test/kernels/vm-run");
const LOGS = join(root, "build/kernels");
const REPORT_IN_GUEST = "/tmp/report.json";
const REPORT_HERE = "build/kernels/here.json";

/** @typedef {"passed" | "failed" | "skipped"} Outcome */
/** @typedef {Record<Outcome, number>} Count */
/** @typedef {Map<string, Count>} Counts by column */

/**
 * The part of vitest's report that is read.
 * @typedef {object} Report
 * @property {{ name: string, status: string, message: string, assertionResults: TestResult[] }[]} testResults
 */

/** @typedef {{ ancestorTitles: string[], fullName: string, status: string, failureMessages: string[] }} TestResult */

const OUTCOMES = /** @type {const} */ (["passed", "failed", "skipped"]);

/**
 * @param {string} message
 * @returns {never}
 */
function usage(message) {
  console.error(`test-kernels: ${message}`);
  process.exit(64);
}

function parseOptions() {
  const jobs = String(Math.max(1, Math.floor(availableParallelism() / CPUS_PER_GUEST)));
  try {
    return parseArgs({
      options: {
        kernel: { type: "string", multiple: true },
        backend: { type: "string", multiple: true },
        jobs: { type: "string", default: jobs },
      },
    }).values;
  } catch (error) {
    return usage(messageOf(error));
  }
}

function readOptions() {
  const { kernel: kernels = KERNELS, backend: backends = [], ...values } = parseOptions();
  for (const name of kernels) {
    if (!KERNELS.includes(name)) usage(`--kernel: '${name}' is not one of ${KERNELS.join(", ")}`);
  }
  for (const name of backends) {
    if (!BACKENDS.includes(name)) usage(`--backend: '${name}' is not one of ${BACKENDS.join(", ")}`);
  }
  if (!/^[1-9]\d*$/.test(values.jobs)) usage(`--jobs: '${values.jobs}' is not a number from 1`);
  return { kernels, backends, jobs: Number(values.jobs) };
}

/**
 * Why the tests cannot run on this kernel here, or null.
 * @param {string} kernel
 */
export function whyNoKernel(kernel) {
  if (kernel === HERE) return process.geteuid?.() === 0 ? null : "needs root";
  const { status, stderr, error } = spawnSync(VM_RUN, [kernel, "--prepare"], { encoding: "utf8" });
  if (status === 0) return null;
  return (error?.message ?? stderr).trim().split("\n")[0] ?? "";
}

/** What depends on the kernel; logs, recordings, pipes and the screen are the same on each, and slow in a guest. */
export const KERNEL_TESTS = [
  "existing",
  "faults",
  "flows",
  "limits",
  "link",
  "losses",
  "privileges",
  "program",
  "sockets",
  "tcp-edges",
  "twins",
  "udp-edges",
];

/**
 * Runs a shell command on a kernel: in a guest or here.
 * @param {string} kernel
 * @param {string} command
 * @param {Record<string, string>} settings
 */
function start(kernel, command, settings) {
  /** @type {import("node:child_process").SpawnOptionsWithStdioTuple<"ignore", "pipe", "pipe">} */
  const options = { cwd: root, stdio: ["ignore", "pipe", "pipe"] };
  if (kernel === HERE) {
    return spawn("sh", ["-c", command], { ...options, env: { ...process.env, ...settings } });
  }
  const env = Object.entries({ TCPTOP_TEST_SCALE: SCALE, ...settings }).flatMap(([name, value]) => [
    "--env",
    `${name}=${value}`,
  ]);
  return spawn(
    VM_RUN,
    [kernel, "--cpus", String(CPUS_PER_GUEST), ...env, "--", "sh", "-c", command],
    options,
  );
}

/**
 * Runs the tests on a kernel; vitest's report, or null when it did not come to that.
 * @param {string} kernel
 * @param {readonly string[]} backends
 */
async function runTests(kernel, backends) {
  const place = kernel === HERE ? REPORT_HERE : REPORT_IN_GUEST;
  if (kernel === HERE) rmSync(join(root, place), { force: true });
  const files = KERNEL_TESTS.map((name) => `test/e2e/${name}.test.ts`).join(" ");
  const run = "node node_modules/vitest/vitest.mjs run --project e2e";
  const vitest = `${run} ${files} --reporter=verbose --reporter=json`;
  const command = `${vitest} --outputFile.json=${place}; cat ${place}`;
  const chosen = backends.length > 0 ? { TCPTOP_TEST_BACKEND: backends.join(",") } : {};
  const tests = start(kernel, command, { NO_COLOR: "1", ...chosen });
  const log = createWriteStream(join(LOGS, `${kernel}.log`));
  /** @type {{ value: Report | null }} */
  const report = { value: null };
  for (const stream of [tests.stdout, tests.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      if (line.startsWith('{"numTotalTestSuites"')) report.value = JSON.parse(line);
      else log.write(`${line}\n`);
    });
  }
  await once(tests, "close");
  log.end();
  return report.value;
}

/** @returns {Counts} */
function emptyCounts() {
  return new Map(COLUMNS.map((column) => [column, { passed: 0, failed: 0, skipped: 0 }]));
}

/**
 * @param {Counts} counts
 * @param {string} column
 */
function countOf(counts, column) {
  const found = counts.get(column);
  if (found === undefined) throw new Error(`no column '${column}'`);
  return found;
}

/**
 * Counts a report by column and prints what failed.
 * @param {string} kernel
 * @param {Report | null} report
 * @param {readonly string[]} required
 */
function count(kernel, report, required) {
  const counts = emptyCounts();
  const program = countOf(counts, PROGRAM);
  /** @type {string[]} */
  const failures = [];
  for (const file of report?.testResults ?? []) {
    const tests = file.assertionResults;
    for (const { ancestorTitles, fullName, status, failureMessages } of tests) {
      const column = BACKENDS.find((backend) => ancestorTitles.includes(backend)) ?? PROGRAM;
      const outcome = status === "passed" || status === "failed" ? status : "skipped";
      countOf(counts, column)[outcome]++;
      if (outcome === "failed") failures.push(`${fullName}\n${failureMessages.join("\n")}`);
    }
    // A file that failed to load, or whose hooks did, may have no failed test to show for it.
    if (file.status === "failed" && tests.every((test) => test.status !== "failed")) {
      program.failed++;
      failures.push(`${file.name}: ${file.message}`);
    }
  }
  if (!report) {
    program.failed++;
    failures.push("the tests did not end");
  }
  if (report && BACKENDS.every((backend) => countOf(counts, backend).passed === 0)) {
    program.failed++;
    failures.push("not one test of a backend passed");
  }
  for (const backend of report ? required : []) {
    if (countOf(counts, backend).passed > 0) continue;
    countOf(counts, backend).failed++;
    failures.push(`${backend}: not one test passed, and it has to work on this kernel`);
  }
  for (const failure of failures) console.log(`\n${kernel}: ${failure}`);
  if (failures.length > 0) console.log(`\nall of it: ${join(LOGS, `${kernel}.log`)}`);
  return counts;
}

/** @param {readonly (readonly [kernel: string, counts: Counts])[]} results */
function printTable(results) {
  const rows = [
    ["kernel", ...COLUMNS],
    ...results.map(([kernel, counts]) => [
      kernel,
      ...COLUMNS.map((column) => Object.values(countOf(counts, column)).join("/")),
    ]),
  ];
  console.log("\npassed/failed/skipped");
  for (const row of rows)
    console.log(
      row
        .map((cell) => cell.padEnd(12))
        .join("")
        .trimEnd(),
    );
}

/**
 * Tests one kernel; what it counted by column.
 * @param {string} kernel
 * @param {readonly string[]} backends
 */
async function testKernel(kernel, backends) {
  const began = Date.now();
  const missing = whyNoKernel(kernel);
  if (missing !== null) {
    say(`\nSKIPPED: the tests on Linux ${kernel}: ${missing}`);
    const counts = emptyCounts();
    countOf(counts, PROGRAM).skipped++;
    return counts;
  }
  const report = await runTests(kernel, backends);
  const counts = count(kernel, report, backends.length > 0 ? backends : (REQUIRED.get(kernel) ?? []));
  console.log(`${kernel}: ${Math.round((Date.now() - began) / 1000)} s`);
  return counts;
}

/**
 * Runs the tests on these kernels, `jobs` at a time, and prints a table; how many passed, failed, were skipped.
 * @param {{ kernels: readonly string[], backends: readonly string[], jobs?: number }} options
 */
export async function testKernels({ kernels, backends, jobs = 1 }) {
  mkdirSync(LOGS, { recursive: true });
  /** @type {Map<string, Counts>} */
  const results = new Map();
  const waiting = kernels.filter((kernel) => kernel !== HERE);
  async function work() {
    for (let kernel = waiting.shift(); kernel !== undefined; kernel = waiting.shift())
      results.set(kernel, await testKernel(kernel, backends));
  }
  await Promise.all(Array.from({ length: jobs }, work));
  // Alone: here the traffic is whole.
  if (kernels.includes(HERE)) results.set(HERE, await testKernel(HERE, backends));

  const inOrder = kernels.map(
    (kernel) => /** @type {const} */ ([kernel, results.get(kernel) ?? emptyCounts()]),
  );
  printTable(inOrder);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [, counts] of inOrder) {
    for (const one of counts.values()) for (const outcome of OUTCOMES) total[outcome] += one[outcome];
  }
  return total;
}

/**
 * The backends that have to work on a kernel; undefined for a kernel that is not tested.
 * @param {string} kernel
 */
export function requiredBackends(kernel) {
  return REQUIRED.get(kernel);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { passed, failed, skipped } = await testKernels(readOptions());
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
