// The addon built with the address, leak and undefined-behaviour sanitizers, and how to run Node with it.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { output, root, runBeside, say } from "./lib.mjs";

const BUILD = join(root, "build/sanitize");
const LOGS = join(BUILD, "logs");

/** Why the addon cannot be tried here, null if it can. */
export const cannotSanitize =
  process.platform !== "linux" ? "needs Linux" : process.geteuid?.() !== 0 ? "needs root" : null;

/** Whether the addon could be built. */
export async function buildSanitized() {
  const options = ["--CDTCPTOP_SANITIZE=ON", "--log-level", "error", "--target", "tcptop_addon"];
  const code = await (existsSync(join(BUILD, "CMakeCache.txt"))
    ? runBeside("cmake", ["--build", "build/sanitize", "--target", "tcptop_addon"])
    : runBeside("npx", ["--no-install", "cmake-js", "compile", "--out", "build/sanitize", ...options]));
  if (code !== 0) return false;
  rmSync(LOGS, { recursive: true, force: true });
  mkdirSync(LOGS);
  return true;
}

/** Environment of a Node that loads the sanitized addon; Node itself is as it is, so the runtimes come first. */
export function sanitizedEnvironment() {
  const runtimes = ["libasan.so", "libubsan.so"].map((name) =>
    realpathSync(output("c++", [`-print-file-name=${name}`]).trim()),
  );
  return {
    ...process.env,
    LD_PRELOAD: runtimes.join(":"),
    NODE_OPTIONS: `--require ${join(root, "test/native/sanitized.cjs")}`,
    ASAN_OPTIONS: `detect_leaks=1:abort_on_error=1:log_path=${join(LOGS, "log")}`,
    // Other programs leak when they end: leaks end nothing, those of the addon are looked for in the logs.
    LSAN_OPTIONS: "exitcode=0",
    UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  };
}

/** Reports that concern the addon: each error, and each leak with the addon in its stack. */
export function sanitizerReports() {
  return readdirSync(LOGS)
    .flatMap((file) =>
      readFileSync(join(LOGS, file), "utf8").split(/\n(?=Direct leak|Indirect leak|==\d+==)/),
    )
    .filter((report) =>
      report.includes("leak of ")
        ? /tcptop\.node|\/addon\//.test(report)
        : /^==\d+==ERROR: AddressSanitizer/m.test(report),
    );
}

/** The addon's own tests, and the program from start to end, with the sanitized addon; whether they passed. */
export async function runSanitized() {
  if (!(await buildSanitized())) return false;
  const env = sanitizedEnvironment();
  const vitest = (/** @type {{ env: NodeJS.ProcessEnv }} */ options, /** @type {string[]} */ ...args) =>
    runBeside("npx", ["--no-install", "vitest", "run", ...args], options);
  // Looking for leaks needs ptrace(2), which tcptop gives up.
  const withoutLeaks = { ...env, ASAN_OPTIONS: env.ASAN_OPTIONS.replace("detect_leaks=1", "detect_leaks=0") };
  const program = ["--project", "e2e", "program", "-t", "leaves no program|goes away|-n 2"];
  const codes = [
    await vitest({ env }, "--project", "native"),
    await vitest({ env: withoutLeaks }, ...program),
  ];
  const reports = sanitizerReports();
  for (const report of reports) say(report);
  return codes.every((code) => code === 0) && reports.length === 0;
}
