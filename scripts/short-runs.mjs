// Every npm script that README.md and CONTRIBUTING.md name, once and in a short form: CI runs what nothing else runs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { root, say } from "./lib.mjs";

/** @typedef {"passed" | "failed" | "skipped"} Outcome */

/** sysexits.h's EX_UNAVAILABLE and EX_NOPERM: what a script needs is not here. */
const CODES_SKIPPED = [69, 77];

const MINUTE_S = 60;

/**
 * The scripts in their order, with the arguments that make them short. None writes into the tree but into build/
 * and prebuilds/, which Git ignores.
 * @type {{ script: string, args: string[], limitS: number }[]}
 */
export const SHORT_RUNS = [
  { script: "build", args: [], limitS: 5 * MINUTE_S },
  { script: "start", args: ["--version"], limitS: 2 * MINUTE_S },
  { script: "test:unit", args: [], limitS: 5 * MINUTE_S },
  { script: "lint", args: [], limitS: 2 * MINUTE_S },
  { script: "gen:docs", args: ["--check"], limitS: 2 * MINUTE_S },
  { script: "gen:layout", args: ["--check"], limitS: MINUTE_S },
  { script: "fuzz", args: ["--target", "keys", "--seconds", "1"], limitS: 2 * MINUTE_S },
  { script: "bench", args: ["--short"], limitS: 5 * MINUTE_S },
  { script: "soak", args: ["--short"], limitS: 3 * MINUTE_S },
  { script: "scorecard", args: ["--short"], limitS: 8 * MINUTE_S },
  { script: "pictures", args: ["--short"], limitS: 3 * MINUTE_S },
  { script: "gen:demo", args: ["--short"], limitS: 8 * MINUTE_S },
  { script: "check:package", args: [], limitS: 20 * MINUTE_S },
];

/** Why a script has no short run. */
export const RUN_ELSEWHERE = new Map([
  ["setup", "npm test begins with it"],
  ["test", "CI runs it whole"],
  ["test:e2e", "npm test runs these files"],
  ["test:kernels", "npm test runs it on the kernels in TCPTOP_TEST_KERNELS"],
  ["format", "it writes into the tree; npm test checks the format"],
  ["build:prebuilt", "check:package makes the addons"],
  ["deb", "check:package makes the .deb packages, twice"],
]);

/**
 * Runs a script to its end or to its limit, and all that it has started with it.
 * @param {typeof SHORT_RUNS[number]} run
 * @returns {Promise<Outcome>}
 */
async function runShort({ script, args, limitS }) {
  const name = `npm run ${script}${args.map((arg) => ` ${arg}`).join("")}`;
  say(`\n== ${name}`);
  const child = spawn("npm", ["run", "--silent", script, "--", ...args], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    detached: true,
  });
  const startMs = performance.now();
  const timer = setTimeout(() => {
    say(`${name}: not done after ${limitS} s`);
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  }, limitS * 1000);
  const [code] = /** @type {[number | null]} */ (await once(child, "exit"));
  clearTimeout(timer);
  const outcome = code === 0 ? "passed" : CODES_SKIPPED.includes(code ?? -1) ? "skipped" : "failed";
  const seconds = Math.round((performance.now() - startMs) / 1000);
  say(`${name}: ${outcome === "failed" ? `FAILED, exit ${code}` : outcome}, ${seconds} s`);
  return outcome;
}

/**
 * Runs all of them, one after the other.
 * @returns {Promise<Outcome[]>}
 */
export async function runShortRuns() {
  /** @type {Outcome[]} */
  const outcomes = [];
  for (const run of SHORT_RUNS) outcomes.push(await runShort(run));
  return outcomes;
}
