// `npm test`: makes the checkout ready, runs every check and test, and ends with one line that counts them. With
// TCPTOP_TEST_KERNELS=6.1 (more with commas) the real-kernel tests run on these kernels too, in a VM; with
// TCPTOP_TEST_SCRIPTS=1 the scripts that the documents name, in a short form.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fuzz, fuzzSettings } from "./fuzz.mjs";
import { root, run, say } from "./lib.mjs";
import { cannotSanitize, runSanitized } from "./sanitize.mjs";
import { setup } from "./setup.mjs";
import { runShortRuns } from "./short-runs.mjs";
import { KERNEL_TESTS, requiredBackends, testKernels } from "./test-kernels.mjs";

/** @type {[name: string, command: string, args: string[]][]} */
const CHECKS = [
  ["lint", "npx", ["--no-install", "biome", "check", "--error-on-warnings", "."]],
  ["layers", "node", ["scripts/lint-layers.mjs"]],
  ["format of C and C++", "node", ["scripts/lint-native.mjs"]],
  ["types", "npx", ["--no-install", "tsc", "-p", "tsconfig.json", "--noEmit"]],
  ["record layout", "node", ["scripts/gen-layout.mjs", "--check"]],
  ["manual page and completions", "node", ["scripts/gen-docs.mjs", "--check"]],
];

const EXIT_USAGE = 64;
const RESULTS = join(root, "build/test-results");

/**
 * The part of vitest's report that is read.
 * @typedef {object} Report
 * @property {number} numPassedTests
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 * @property {number} numFailedTests
 * @property {{ status: string, assertionResults: { status: string }[] }[]} testResults
 */

const OUTCOMES = /** @type {const} */ (["passed", "failed", "skipped"]);

const count = { passed: 0, failed: 0, skipped: 0 };

const testFile = (/** @type {string} */ name) => `test/e2e/${name}.test.ts`;

/**
 * Arguments of a run of vitest whose report is `name`.
 * @param {string} name
 * @param {readonly string[]} args
 */
function vitest(name, args) {
  const report = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportOf(name)}`];
  return ["--no-install", "vitest", "run", ...report, ...args];
}

const reportOf = (/** @type {string} */ name) => join(RESULTS, `${name}.json`);

/**
 * Counts the tests of a run of vitest that ended with `code`.
 * @param {string} name
 * @param {number | null} code
 */
function countTests(name, code) {
  let failed = 0;
  if (existsSync(reportOf(name))) {
    /** @type {Report} */
    const report = JSON.parse(readFileSync(reportOf(name), "utf8"));
    count.passed += report.numPassedTests;
    count.skipped += report.numPendingTests + report.numTodoTests;
    failed = report.numFailedTests;
    for (const suite of report.testResults) {
      // A file that cannot be loaded has no tests to count.
      if (suite.status === "failed" && suite.assertionResults.every((test) => test.status !== "failed"))
        failed++;
    }
  }
  count.failed += code !== 0 && failed === 0 ? 1 : failed;
}

/**
 * Starts the tests of what depends on the kernel beside the others: they mostly wait, while the others compute. The
 * function returned resolves once they have ended and their output is shown.
 */
function startKernelTests() {
  const log = join(RESULTS, "kernel.log");
  const fd = openSync(log, "w");
  const args = vitest("kernel", ["--project", "e2e", ...KERNEL_TESTS.map(testFile)]);
  const child = spawn("npx", args, { cwd: root, stdio: ["ignore", fd, fd] });
  process.on("exit", () => child.kill());
  const ended = once(child, "exit");
  closeSync(fd);
  return async () => {
    const [code] = /** @type {[number | null]} */ (await ended);
    say("\n== tests on the kernel");
    say(readFileSync(log, "utf8"));
    countTests("kernel", code);
  };
}

/** All other tests. */
function runOtherTests() {
  const projects = ["unit", "golden", "contract", "fuzz", "native"].flatMap((name) => ["--project", name]);
  countTests("pure", run("npx", vitest("pure", projects)));
  const names = readdirSync(join(root, "test/e2e"))
    .filter((file) => file.endsWith(".test.ts") && !KERNEL_TESTS.map(testFile).includes(`test/e2e/${file}`))
    .map((file) => `test/e2e/${file}`);
  countTests("program", run("npx", vitest("program", ["--project", "e2e", ...names])));
}

async function runSanitizersAndFuzz() {
  say("\n== sanitizers");
  if (cannotSanitize === null) count[runSanitized() ? "passed" : "failed"]++;
  else {
    say(`sanitizers: skipped: ${cannotSanitize}`);
    count.skipped++;
  }
  const settings = fuzzSettings();
  say(`\n== fuzz, ${settings.seconds} s each, seed ${settings.seed}`);
  for (const end of (await fuzz(settings)).values()) count[end]++;
}

/** What fits the half hour that a guest has here; `npm run test:kernels` runs all of them. */
const GUEST_TESTS = ["existing", "faults", "flows", "limits", "link", "privileges", "program"];

const kernels = (process.env["TCPTOP_TEST_KERNELS"] ?? "").split(",").filter((name) => name !== "");
for (const kernel of kernels) {
  if (requiredBackends(kernel)) continue;
  say(`test: TCPTOP_TEST_KERNELS: no kernel '${kernel}' is known`);
  process.exit(EXIT_USAGE);
}

setup({ tests: true, guests: kernels.length > 0 });
for (const [name, command, args] of CHECKS) {
  say(`\n== ${name}`);
  const ok = run(command, args) === 0;
  count[ok ? "passed" : "failed"]++;
  if (!ok) say(`${name}: FAILED`);
}

rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });
say("\n== tests");
const chosen = process.argv.slice(2);
if (chosen.length > 0) {
  countTests("chosen", run("npx", vitest("chosen", chosen)));
  await runSanitizersAndFuzz();
} else {
  const kernelTests = startKernelTests();
  runOtherTests();
  await runSanitizersAndFuzz();
  await kernelTests();
}

for (const kernel of kernels) {
  say(`\n== tests on Linux ${kernel} in a VM`);
  const backends = requiredBackends(kernel) ?? [];
  const result = await testKernels({ kernels: [kernel], backends, files: GUEST_TESTS });
  for (const outcome of OUTCOMES) count[outcome] += result[outcome];
}

if (process.env["TCPTOP_TEST_SCRIPTS"] === "1") {
  for (const outcome of await runShortRuns()) count[outcome]++;
}

console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
