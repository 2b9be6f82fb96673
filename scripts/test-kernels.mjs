// `npm run test:kernels [-- --kernel 6.1 --backend kprobe --jobs 2]`: the real-kernel tests on stock Debian
// kernels in VMs and on this machine's own (`--kernel here`), with every backend that a kernel has; a table, and a
// last line that counts everything. `--arch arm64` takes Debian's kernels for arm64, and the addon that the packages
// carry. A kernel that cannot be had here is skipped, saying why.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cannotMakeGuest, makeGuest } from "./arm64-guest.mjs";
import { messageOf, root, say } from "./lib.mjs";

// The backends that have to work on each kernel. Others are tried and skipped where they cannot load:
// the tracepoint backend needs sock_send_length (6.3).
const REQUIRED = {
  x64: new Map([
    ["5.10", ["fentry", "kprobe"]],
    ["6.1", ["fentry", "kprobe"]],
    ["6.12", ["fentry", "kprobe", "tracepoint"]],
    ["latest", ["fentry", "kprobe", "tracepoint"]],
  ]),
  // The fentry backend needs trampolines on any function (6.4).
  arm64: new Map([
    ["6.1", ["kprobe"]],
    ["6.12", ["fentry", "kprobe", "tracepoint"]],
    ["latest", ["fentry", "kprobe", "tracepoint"]],
  ]),
};
/** @typedef {keyof typeof REQUIRED} Arch */
/** This machine's own kernel, which has what it has. */
const HERE = "here";
const KERNELS = { x64: [...REQUIRED.x64.keys(), HERE], arm64: [...REQUIRED.arm64.keys()] };
const BACKENDS = ["fentry", "kprobe", "tracepoint"];
// What is not about one backend: how the program starts, refuses and ends.
const PROGRAM = "program";
const COLUMNS = [...BACKENDS, PROGRAM];
/** What depends on the kernel; logs, recordings, pipes and the screen are the same on each, and slow in a guest. */
export const KERNEL_TESTS = [
  "existing",
  "faults",
  "flows",
  "limits",
  "link",
  "long-runs",
  "losses",
  "privileges",
  "processes",
  "program",
  "sockets",
  "sweep",
  "tcp-edges",
  "tcp-sharers",
  "twins",
  "udp-edges",
  "vanishing",
];
/** Those of them that are not about one backend. */
const FILES_OF_PROGRAM = ["privileges", "processes", "program", "sweep"];
// Emulation is slow: a tenth of the traffic.
const SCALE = "0.1";
const CPUS_PER_GUEST = 2;
/** Another machine's instructions are always emulated. */
const GUEST_TIMEOUT_S = { x64: 7200, arm64: 14_400 };

const VM_RUN = join(root, "test/kernels/vm-run");
const LOGS = join(root, "build/kernels");
const REPORT_IN_GUEST = "/tmp/report.json";
const REPORT_HERE = "build/kernels/here.json";

const HELP = `usage: npm run test:kernels [-- OPTION... FILE...]
  --arch ARCH      ${Object.keys(KERNELS).join(" or ")}; default: x64
  --kernel NAME    one of ${KERNELS.x64.join(", ")}; for arm64 of ${KERNELS.arm64.join(", ")}; default: all
  --backend NAME   one of ${BACKENDS.join(", ")}, which then has to work; default: all that load
  --jobs N         kernels at a time
  FILE             one of ${KERNEL_TESTS.join(", ")}; default: all
--kernel and --backend can be given more than once.`;

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
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        arch: { type: "string", default: "x64" },
        kernel: { type: "string", multiple: true },
        backend: { type: "string", multiple: true },
        jobs: { type: "string", default: jobs },
      },
    });
  } catch (error) {
    return usage(messageOf(error));
  }
}

/**
 * @param {string} name
 * @returns {Arch}
 */
function archOf(name) {
  if (name === "x64" || name === "arm64") return name;
  return usage(`--arch: '${name}' is not one of ${Object.keys(KERNELS).join(", ")}`);
}

function readOptions() {
  const { values, positionals } = parseOptions();
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const arch = archOf(values.arch);
  const known = KERNELS[arch];
  const { kernel: kernels = known, backend: backends = [] } = values;
  for (const name of kernels) {
    if (!known.includes(name)) usage(`--kernel: '${name}' is not one of ${known.join(", ")} (${arch})`);
  }
  for (const name of backends) {
    if (!BACKENDS.includes(name)) usage(`--backend: '${name}' is not one of ${BACKENDS.join(", ")}`);
  }
  if (!/^[1-9]\d*$/.test(values.jobs)) usage(`--jobs: '${values.jobs}' is not a number from 1`);
  for (const name of positionals)
    if (!KERNEL_TESTS.includes(name)) usage(`'${name}' is not one of ${KERNEL_TESTS.join(", ")}`);
  const files = positionals.length > 0 ? positionals : KERNEL_TESTS;
  return { arch, kernels, backends, files, jobs: Number(values.jobs) };
}

/**
 * The arm64 guest, made at the first use: it is not made anew under one that runs.
 * @type {{ root: string, over: string } | undefined}
 */
let arm64Guest;

/**
 * What vm-run needs to know of the guest besides the kernel. Throws where it cannot be had.
 * @param {Arch} arch
 */
function guestOptions(arch) {
  if (arch === "x64") return [];
  const missing = cannotMakeGuest();
  if (missing !== null) throw new Error(missing);
  arm64Guest ??= makeGuest();
  return ["--arch", arch, "--root", arm64Guest.root, "--over", arm64Guest.over];
}

/**
 * The command before what runs on a kernel: none here, vm-run for a guest. Throws where it cannot be had.
 * @param {string} kernel
 * @param {Arch} arch
 */
function prepare(kernel, arch) {
  if (kernel === HERE) {
    if (process.geteuid?.() !== 0) throw new Error("needs root");
    return [];
  }
  const options = guestOptions(arch);
  const fetch = [kernel, "--arch", arch, "--prepare"];
  const { status, stderr, error } = spawnSync(VM_RUN, fetch, { encoding: "utf8" });
  if (status !== 0) throw new Error((error?.message ?? stderr).trim().split("\n")[0]);
  const limits = ["--cpus", String(CPUS_PER_GUEST), "--timeout", String(GUEST_TIMEOUT_S[arch])];
  return [VM_RUN, kernel, ...options, ...limits];
}

/**
 * Why the tests cannot run on this kernel for x64 here, or null.
 * @param {string} kernel
 */
export function whyNoKernel(kernel) {
  try {
    prepare(kernel, "x64");
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Runs a shell command here, or in a guest by vm-run.
 * @param {readonly string[]} guest
 * @param {string} command
 * @param {Record<string, string>} settings
 */
function start(guest, command, settings) {
  /** @type {import("node:child_process").SpawnOptionsWithStdioTuple<"ignore", "pipe", "pipe">} */
  const options = { cwd: root, stdio: ["ignore", "pipe", "pipe"] };
  const [vmRun, ...args] = guest;
  if (vmRun === undefined) {
    return spawn("sh", ["-c", command], { ...options, env: { ...process.env, ...settings } });
  }
  const env = Object.entries({ TCPTOP_TEST_SCALE: SCALE, ...settings }).flatMap(([name, value]) => [
    "--env",
    `${name}=${value}`,
  ]);
  return spawn(vmRun, [...args, ...env, "--", "sh", "-c", command], options);
}

/**
 * Runs the tests here or in a guest; vitest's report, or null when it did not come to that.
 * @param {readonly string[]} guest
 * @param {string} label
 * @param {{ backends: readonly string[], files: readonly string[] }} what
 */
async function runTests(guest, label, { backends, files }) {
  const isHere = guest.length === 0;
  const place = isHere ? REPORT_HERE : REPORT_IN_GUEST;
  if (isHere) rmSync(join(root, place), { force: true });
  const paths = files.map((name) => `test/e2e/${name}.test.ts`).join(" ");
  const run = "node node_modules/vitest/vitest.mjs run --project e2e";
  const vitest = `${run} ${paths} --reporter=verbose --reporter=json`;
  const command = `${vitest} --outputFile.json=${place}; cat ${place}`;
  const chosen = backends.length > 0 ? { TCPTOP_TEST_BACKEND: backends.join(",") } : {};
  const tests = start(guest, command, { NO_COLOR: "1", ...chosen });
  const log = createWriteStream(join(LOGS, `${label}.log`));
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
 * Counts a report by column and prints what failed. `required`: the backends of which a test has to pass; null where
 * no test is about a backend.
 * @param {string} label
 * @param {Report | null} report
 * @param {readonly string[] | null} required
 */
function count(label, report, required) {
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
  if (report && required && BACKENDS.every((backend) => countOf(counts, backend).passed === 0)) {
    program.failed++;
    failures.push("not one test of a backend passed");
  }
  for (const backend of (report && required) ?? []) {
    if (countOf(counts, backend).passed > 0) continue;
    countOf(counts, backend).failed++;
    failures.push(`${backend}: not one test passed, and it has to work on this kernel`);
  }
  for (const failure of failures) console.log(`\n${label}: ${failure}`);
  if (failures.length > 0) console.log(`\nall of it: ${join(LOGS, `${label}.log`)}`);
  return counts;
}

/** @param {readonly (readonly [label: string, counts: Counts])[]} results */
function printTable(results) {
  const rows = [
    ["kernel", ...COLUMNS],
    ...results.map(([label, counts]) => [
      label,
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
 * How a kernel is called in what is printed, and its log.
 * @param {string} kernel
 * @param {Arch} arch
 */
function labelOf(kernel, arch) {
  return arch === "x64" ? kernel : `${kernel}-${arch}`;
}

/**
 * Tests one kernel; what it counted by column.
 * @param {string} kernel
 * @param {{ arch: Arch, backends: readonly string[], files: readonly string[] }} what
 */
async function testKernel(kernel, { arch, backends, files }) {
  const began = Date.now();
  const label = labelOf(kernel, arch);
  let guest;
  try {
    guest = prepare(kernel, arch);
  } catch (error) {
    say(`\nSKIPPED: the tests on Linux ${label}: ${messageOf(error)}`);
    const counts = emptyCounts();
    countOf(counts, PROGRAM).skipped++;
    return counts;
  }
  console.log(`${label}: ${files.join(", ")}`);
  const leftOut = KERNEL_TESTS.filter((name) => !files.includes(name));
  if (leftOut.length > 0) console.log(`${label}: left out: ${leftOut.join(", ")}`);
  const report = await runTests(guest, label, { backends, files });
  const required = backends.length > 0 ? backends : (REQUIRED[arch].get(kernel) ?? []);
  const aboutBackends = files.some((name) => !FILES_OF_PROGRAM.includes(name));
  const counts = count(label, report, aboutBackends ? required : null);
  console.log(`${label}: ${Math.round((Date.now() - began) / 1000)} s`);
  return counts;
}

/**
 * Runs the tests on these kernels, `jobs` at a time, and prints a table; how many passed, failed, were skipped.
 * @param {object} options
 * @param {readonly string[]} options.kernels
 * @param {readonly string[]} options.backends
 * @param {Arch} [options.arch]
 * @param {readonly string[]} [options.files]
 * @param {number} [options.jobs]
 */
export async function testKernels({ kernels, backends, arch = "x64", files = KERNEL_TESTS, jobs = 1 }) {
  const what = { arch, backends, files };
  mkdirSync(LOGS, { recursive: true });
  /** @type {Map<string, Counts>} */
  const results = new Map();
  const waiting = kernels.filter((kernel) => kernel !== HERE);
  async function work() {
    for (let kernel = waiting.shift(); kernel !== undefined; kernel = waiting.shift())
      results.set(kernel, await testKernel(kernel, what));
  }
  await Promise.all(Array.from({ length: jobs }, work));
  // Alone: here the traffic is whole.
  if (kernels.includes(HERE)) results.set(HERE, await testKernel(HERE, what));

  const inOrder = kernels.map(
    (kernel) => /** @type {const} */ ([labelOf(kernel, arch), results.get(kernel) ?? emptyCounts()]),
  );
  printTable(inOrder);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [, counts] of inOrder) {
    for (const one of counts.values()) for (const outcome of OUTCOMES) total[outcome] += one[outcome];
  }
  return total;
}

/**
 * The backends that have to work on a kernel for x64; undefined for a kernel that is not tested.
 * @param {string} kernel
 */
export function requiredBackends(kernel) {
  return REQUIRED.x64.get(kernel);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { passed, failed, skipped } = await testKernels(readOptions());
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
