// `npm test`: makes the checkout ready, runs every check and test, and ends with one line that counts them. With
// TCPTOP_TEST_KERNELS=6.1 (more with commas) the real-kernel tests run on these kernels too, in a VM; with
// TCPTOP_TEST_SCRIPTS=1 the scripts that the documents name, in a short form.
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fuzz, fuzzSettings } from "./fuzz.mjs";
import { root, run, runBeside, say } from "./lib.mjs";
import { cannotSanitize, runSanitized } from "./sanitize.mjs";
import { setup } from "./setup.mjs";
import { runShortRuns } from "./short-runs.mjs";
import { requiredBackends, testKernels } from "./test-kernels.mjs";

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

const E2E = "test/e2e";

/**
 * Files of test/e2e that run one after the other, since they look at the same: the machine's load and many flows of
 * their own, the terminal, small tables that others' flows would fill.
 */
const FAULTS = ["faults", "privileges", "program"];
const LOADS = ["log", "pipes"];
const SCREENS = ["hostile", "replay", "screen"];
const ALONE = ["flood", "limits", "losses", "sweep"];

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
 * Runs files of test/e2e one after the other and counts their tests. Their output is shown when they have ended.
 * @param {string} name
 * @param {readonly string[]} files
 */
async function runLane(name, files) {
  const log = join(RESULTS, `${name}.log`);
  const fd = openSync(log, "w");
  const args = vitest(name, ["--project", "e2e", ...files.map((file) => `${E2E}/${file}.test.ts`)]);
  const code = await runBeside("npx", args, { stdio: ["ignore", fd, fd] });
  closeSync(fd);
  say(`\n== tests of ${files.join(", ")}`);
  say(readFileSync(log, "utf8"));
  countTests(name, code);
}

/** The tests that make traffic: they mostly wait, so two lanes run at a time. */
async function runLanes() {
  const named = [FAULTS, LOADS, SCREENS, ALONE].flat();
  const others = readdirSync(join(root, E2E))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => file.replace(".test.ts", ""))
    .filter((name) => !named.includes(name));
  await Promise.all([runLane("faults", FAULTS), runLane("others", others)]);
  await Promise.all([runLane("loads", LOADS), runLane("screens", SCREENS)]);
}

/** The tests that compute. */
async function runPureTests() {
  const projects = ["unit", "golden", "contract", "fuzz", "native"].flatMap((name) => ["--project", name]);
  countTests("pure", await runBeside("npx", vitest("pure", projects)));
}

async function runSanitizersAndFuzz() {
  say("\n== sanitizers");
  if (cannotSanitize === null) count[(await runSanitized()) ? "passed" : "failed"]++;
  else {
    say(`sanitizers: skipped: ${cannotSanitize}`);
    count.skipped++;
  }
  const settings = fuzzSettings();
  say(`\n== fuzz, ${settings.seconds} s each, seed ${settings.seed}`);
  for (const end of (await fuzz(settings)).values()) count[end]++;
}

/** All tests. */
async function runTests() {
  const compute = async () => {
    await runPureTests();
    await runSanitizersAndFuzz();
  };
  await Promise.all([runLanes(), compute()]);
  await runLane("alone", ALONE);
}

/** What fits the half hour that a guest has here; `npm run test:kernels` runs all of them. */
const GUEST_TESTS = ["existing", "faults", "flows", "limits", "link", "privileges", "program", "vanishing"];

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
  await runTests();
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
