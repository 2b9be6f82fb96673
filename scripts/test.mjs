// `npm test`: makes the checkout ready, runs every check and test, and ends with one line that counts them. With
// TCPTOP_TEST_KERNELS=6.1 (more with commas) the real-kernel tests run on these kernels too, in a VM.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fuzz, fuzzSettings } from "./fuzz.mjs";
import { root, run, say } from "./lib.mjs";
import { cannotSanitize, runSanitized } from "./sanitize.mjs";
import { setup } from "./setup.mjs";
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

/**
 * The part of vitest's report that is read.
 * @typedef {{ numPassedTests: number, numPendingTests: number, numTodoTests: number, numFailedTests: number, testResults: { status: string, assertionResults: { status: string }[] }[] }} Report
 */

const OUTCOMES = /** @type {const} */ (["passed", "failed", "skipped"]);

const count = { passed: 0, failed: 0, skipped: 0 };
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

const results = join(root, "build/test-results.json");
rmSync(results, { force: true });
mkdirSync(join(root, "build"), { recursive: true });
say("\n== tests");
const code = run("npx", [
  "--no-install",
  "vitest",
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${results}`,
  ...process.argv.slice(2),
]);
if (existsSync(results)) {
  /** @type {Report} */
  const report = JSON.parse(readFileSync(results, "utf8"));
  count.passed += report.numPassedTests;
  count.skipped += report.numPendingTests + report.numTodoTests;
  count.failed += report.numFailedTests;
  for (const suite of report.testResults) {
    // A file that cannot be loaded has no tests to count.
    if (suite.status === "failed" && suite.assertionResults.every((test) => test.status !== "failed"))
      count.failed++;
  }
}
if (code !== 0 && count.failed === 0) count.failed++;

say("\n== sanitizers");
if (cannotSanitize === null) count[runSanitized() ? "passed" : "failed"]++;
else {
  say(`sanitizers: skipped: ${cannotSanitize}`);
  count.skipped++;
}

const settings = fuzzSettings();
say(`\n== fuzz, ${settings.seconds} s each, seed ${settings.seed}`);
for (const end of (await fuzz(settings)).values()) count[end]++;

for (const kernel of kernels) {
  say(`\n== tests on Linux ${kernel} in a VM`);
  const result = await testKernels({ kernels: [kernel], backends: requiredBackends(kernel) ?? [] });
  for (const outcome of OUTCOMES) count[outcome] += result[outcome];
}

console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
