// `npm run test:kernels [-- --kernel 6.1 --backend kprobe --jobs 2]`: the real-kernel tests on stock Debian
// kernels in VMs and on this machine's own (`--kernel here`), with every backend that a kernel has; a table, and a
// last line that counts everything. A kernel that cannot be had here is skipped, saying why.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root, say } from "./lib.mjs";

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
const COLUMNS = [...BACKENDS, "program"];
// Emulation is slow: a tenth of the traffic.
const SCALE = "0.1";
const CPUS_PER_GUEST = 2;

const VM_RUN = join(root, "test/kernels/vm-run");
const LOGS = join(root, "build/kernels");
const REPORT_IN_GUEST = "/tmp/report.json";
const REPORT_HERE = "build/kernels/here.json";

function usage(message) {
  console.error(`test-kernels: ${message}`);
  process.exit(64);
}

function readOptions() {
  const list = { type: "string", multiple: true };
  const jobs = {
    type: "string",
    default: String(Math.max(1, Math.floor(availableParallelism() / CPUS_PER_GUEST))),
  };
  let values;
  try {
    values = parseArgs({ options: { kernel: list, backend: list, jobs } }).values;
  } catch (error) {
    usage(error.message);
  }
  const { kernel: kernels = KERNELS, backend: backends = [] } = values;
  for (const name of kernels) {
    if (!KERNELS.includes(name)) usage(`--kernel: '${name}' is not one of ${KERNELS.join(", ")}`);
  }
  for (const name of backends) {
    if (!BACKENDS.includes(name)) usage(`--backend: '${name}' is not one of ${BACKENDS.join(", ")}`);
  }
  if (!/^[1-9]\d*$/.test(values.jobs)) usage(`--jobs: '${values.jobs}' is not a number from 1`);
  return { kernels, backends, jobs: Number(values.jobs) };
}

/** Why the tests cannot run on this kernel here, or null. */
function whyNot(kernel) {
  if (kernel === HERE) return process.geteuid?.() === 0 ? null : "needs root";
  const { status, stderr, error } = spawnSync(VM_RUN, [kernel, "--prepare"], { encoding: "utf8" });
  if (status === 0) return null;
  return (error?.message ?? stderr).trim().split("\n")[0];
}

/** What depends on the kernel; logs, recordings, pipes and the screen are the same on each, and slow in a guest. */
const FILES = ["existing", "faults", "flows", "limits", "link", "privileges", "program", "sockets"];

/** Runs a shell command on a kernel: in a guest or here. */
function start(kernel, command, settings) {
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

/** Runs the tests on a kernel; vitest's report, or null when it did not come to that. */
async function runTests(kernel, backends) {
  const place = kernel === HERE ? REPORT_HERE : REPORT_IN_GUEST;
  if (kernel === HERE) rmSync(join(root, place), { force: true });
  const files = FILES.map((name) => `test/e2e/${name}.test.ts`).join(" ");
  const run = "node node_modules/vitest/vitest.mjs run --project e2e";
  const vitest = `${run} ${files} --reporter=verbose --reporter=json`;
  const command = `${vitest} --outputFile.json=${place}; cat ${place}`;
  const chosen = backends.length > 0 ? { TCPTOP_TEST_BACKEND: backends.join(",") } : {};
  const tests = start(kernel, command, { NO_COLOR: "1", ...chosen });
  const log = createWriteStream(join(LOGS, `${kernel}.log`));
  let report = null;
  for (const stream of [tests.stdout, tests.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      if (line.startsWith('{"numTotalTestSuites"')) report = JSON.parse(line);
      else log.write(`${line}\n`);
    });
  }
  await new Promise((resolve) => tests.on("close", resolve));
  log.end();
  return report;
}

function emptyCounts() {
  return Object.fromEntries(COLUMNS.map((column) => [column, { passed: 0, failed: 0, skipped: 0 }]));
}

/** Counts a report by column and prints what failed. */
function count(kernel, report, required) {
  const counts = emptyCounts();
  const failures = [];
  for (const file of report?.testResults ?? []) {
    const tests = file.assertionResults;
    for (const { ancestorTitles, fullName, status, failureMessages } of tests) {
      const column = BACKENDS.find((backend) => ancestorTitles.includes(backend)) ?? "program";
      const outcome = status === "passed" || status === "failed" ? status : "skipped";
      counts[column][outcome]++;
      if (outcome === "failed") failures.push(`${fullName}\n${failureMessages.join("\n")}`);
    }
    // A file that failed to load, or whose hooks did, may have no failed test to show for it.
    if (file.status === "failed" && tests.every((test) => test.status !== "failed")) {
      counts.program.failed++;
      failures.push(`${file.name}: ${file.message}`);
    }
  }
  if (!report) {
    counts.program.failed++;
    failures.push("the tests did not end");
  }
  if (report && BACKENDS.every((backend) => counts[backend].passed === 0)) {
    counts.program.failed++;
    failures.push("not one test of a backend passed");
  }
  for (const backend of report ? required : []) {
    if (counts[backend].passed > 0) continue;
    counts[backend].failed++;
    failures.push(`${backend}: not one test passed, and it has to work on this kernel`);
  }
  for (const failure of failures) console.log(`\n${kernel}: ${failure}`);
  if (failures.length > 0) console.log(`\nall of it: ${join(LOGS, `${kernel}.log`)}`);
  return counts;
}

function printTable(results) {
  const rows = [
    ["kernel", ...COLUMNS],
    ...results.map(([kernel, counts]) => [
      kernel,
      ...COLUMNS.map((column) => Object.values(counts[column]).join("/")),
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

/** Tests one kernel; what it counted by column. */
async function testKernel(kernel, backends) {
  const began = Date.now();
  const missing = whyNot(kernel);
  if (missing !== null) {
    say(`\nSKIPPED: the tests on Linux ${kernel}: ${missing}`);
    const counts = emptyCounts();
    counts.program.skipped++;
    return counts;
  }
  const report = await runTests(kernel, backends);
  const counts = count(kernel, report, backends.length > 0 ? backends : (REQUIRED.get(kernel) ?? []));
  console.log(`${kernel}: ${Math.round((Date.now() - began) / 1000)} s`);
  return counts;
}

/** Runs the tests on these kernels, `jobs` at a time, and prints a table; how many passed, failed, were skipped. */
export async function testKernels({ kernels, backends, jobs = 1 }) {
  mkdirSync(LOGS, { recursive: true });
  const results = new Map();
  const waiting = kernels.filter((kernel) => kernel !== HERE);
  async function work() {
    for (let kernel = waiting.shift(); kernel !== undefined; kernel = waiting.shift())
      results.set(kernel, await testKernel(kernel, backends));
  }
  await Promise.all(Array.from({ length: jobs }, work));
  // Alone: here the traffic is whole.
  if (kernels.includes(HERE)) results.set(HERE, await testKernel(HERE, backends));

  const inOrder = kernels.map((kernel) => [kernel, results.get(kernel)]);
  printTable(inOrder);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [, counts] of inOrder) {
    for (const column of COLUMNS)
      for (const outcome of Object.keys(total)) total[outcome] += counts[column][outcome];
  }
  return total;
}

/** The backends that have to work on a kernel; undefined for a kernel that is not tested. */
export function requiredBackends(kernel) {
  return REQUIRED.get(kernel);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { passed, failed, skipped } = await testKernels(readOptions());
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
