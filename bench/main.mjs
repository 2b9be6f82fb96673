// `npm run bench`: what tcptop costs the machine, as tables or with --json as one object. It reports figures
// beside their limits and judges nothing. Each part prints its tables as soon as it is done; a part that fails
// says why, the others still run, and the exit code is not 0. Root is needed, as for tcptop itself.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { messageOf, say } from "../scripts/lib.mjs";
import { setup } from "../scripts/setup.mjs";
import { firstRecordTable, measureFirstRecord } from "./first-record.mjs";
import { kernelTimeTable, measureKernelTime } from "./kernel-time.mjs";
import { lifetimesTable, measureLifetimes } from "./lifetimes.mjs";
import { show } from "./numbers.mjs";
import { measureOverhead, overheadTable } from "./overhead.mjs";
import { measureProcessCost, processCostTable } from "./process-cost.mjs";
import { Ended, startTcptop } from "./processes.mjs";
import { measureScreen, screenTable } from "./screen.mjs";
import { measureStorms, stormTable } from "./storms.mjs";

const USAGE =
  "usage: npm run bench -- [--backend auto|fentry|kprobe|tracepoint] [--only PART]... [--quick | --short] [--json]";
const EXIT_USAGE = 64;
const EXIT_INTERNAL = 70;

/**
 * How much is measured.
 * @typedef {object} Sizes
 * @property {number} roundTrips
 * @property {number} repeats
 * @property {number[]} flowCounts
 * @property {number} seconds
 * @property {{ pairs: number, ms: number }} overhead
 * @property {{ seconds: number, churnPerSecond: number, active: number, idle: number }} storms
 * @property {{ frames: number, keys: number, frameConnections: number, keyConnections: number, flowCounts: number[] }} screen
 * @property {{ perSecond: number, seconds: number }} lifetimes
 * @property {{ sockets: number, repeats: number }[]} socketCounts
 */

/** @typedef {Sizes & { backend: string, say: (text: string) => void }} Options */

/** @type {Sizes} */
const FULL = {
  roundTrips: 100_000,
  repeats: 5,
  flowCounts: [10, 1000, 10_000],
  seconds: 20,
  lifetimes: { perSecond: 2000, seconds: 10 },
  overhead: { pairs: 16, ms: 700 },
  storms: { seconds: 20, churnPerSecond: 10_000, active: 10_000, idle: 100_000 },
  screen: {
    frames: 50,
    keys: 15,
    frameConnections: 10_000,
    keyConnections: 100_000,
    flowCounts: [100, 1000],
  },
  socketCounts: [
    { sockets: 0, repeats: 7 },
    { sockets: 20_000, repeats: 7 },
    { sockets: 100_000, repeats: 3 },
  ],
};
/** @type {Sizes} */
const QUICK = {
  ...FULL,
  roundTrips: 20_000,
  repeats: 3,
  seconds: 5,
  lifetimes: { perSecond: 2000, seconds: 3 },
  overhead: { pairs: 10, ms: 300 },
  storms: { ...FULL.storms, seconds: 5 },
  screen: { ...FULL.screen, frames: 20, keys: 5 },
  socketCounts: [
    { sockets: 0, repeats: 3 },
    { sockets: 20_000, repeats: 3 },
  ],
};
/**
 * Every part once, with figures that mean nothing.
 * @type {Sizes}
 */
const SHORT = {
  roundTrips: 1000,
  repeats: 1,
  flowCounts: [10],
  seconds: 1,
  lifetimes: { perSecond: 100, seconds: 1 },
  overhead: { pairs: 2, ms: 50 },
  storms: { seconds: 1, churnPerSecond: 100, active: 100, idle: 100 },
  screen: { frames: 2, keys: 1, frameConnections: 100, keyConnections: 100, flowCounts: [10] },
  socketCounts: [
    { sockets: 0, repeats: 1 },
    { sockets: 100, repeats: 1 },
  ],
};

/**
 * A part: measures, and returns its figures with a function that makes tables of them.
 * @template R
 * @param {(options: Options) => Promise<R>} measure
 * @param {(result: R) => string} tables
 * @returns {(options: Options) => Promise<{ figures: unknown, tables: () => string }>}
 */
function part(measure, tables) {
  return async (options) => {
    const figures = await measure(options);
    return { figures, tables: () => tables(figures) };
  };
}

const PARTS = new Map([
  ["kernel_time", part(measureKernelTime, kernelTimeTable)],
  ["overhead", part(measureOverhead, overheadTable)],
  ["process_cost", part(measureProcessCost, processCostTable)],
  ["storms", part(measureStorms, stormTable)],
  ["lifetimes", part(measureLifetimes, lifetimesTable)],
  ["screen", part(measureScreen, screenTable)],
  ["first_record", part(measureFirstRecord, firstRecordTable)],
]);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        backend: { type: "string", default: "auto" },
        quick: { type: "boolean", default: false },
        short: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
      },
    });
    const unknown = values.only?.find((name) => !PARTS.has(name));
    if (unknown !== undefined)
      throw new Error(`--only: '${unknown}' is not one of ${[...PARTS.keys()].join(", ")}`);
    return values;
  } catch (error) {
    process.stderr.write(`error: ${messageOf(error)}\n${USAGE}\n`);
    return process.exit(EXIT_USAGE);
  }
}

/** @param {string} backend */
async function describe(backend) {
  const tcptop = await startTcptop(backend);
  await tcptop.end();
  const { version, kernel, backend: used } = tcptop.firstRecord;
  const machine = {
    node: process.version,
    processors: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
  };
  return { version, kernel, backend: used, ...machine, load_average: loadavg()[0] ?? 0 };
}

async function main() {
  const { backend, quick, short, only, json } = readOptions();
  setup();
  const sizes = short ? SHORT : quick ? QUICK : FULL;
  const options = { ...sizes, backend, say: (/** @type {string} */ text) => say(`bench: ${text}`) };
  const facts = await describe(backend);
  const print = (/** @type {string} */ text) => {
    if (!json) process.stdout.write(`${text}\n`);
  };
  print(
    `tcptop ${facts.version}, backend ${facts.backend}, Linux ${facts.kernel}, Node ${facts.node}, ` +
      `${facts.processors} x ${facts.processor}, load average ${show(facts.load_average, 2)}\n`,
  );
  /** @type {Record<string, unknown>} */
  const results = {};
  /** @type {Record<string, string>} */
  const failures = {};
  for (const [name, measure] of PARTS) {
    if (only !== undefined && !only.includes(name)) continue;
    try {
      const { figures, tables } = await measure(options);
      results[name] = figures;
      print(tables());
    } catch (error) {
      failures[name] = messageOf(error);
      process.exitCode = EXIT_INTERNAL;
      say(
        `bench: ${name} failed: ${error instanceof Error && !(error instanceof Ended) ? error.stack : messageOf(error)}`,
      );
      print(`${name}: FAILED: ${messageOf(error)}\n`);
    }
  }
  const load_average_at_end = loadavg()[0] ?? 0;
  print(`load average at the end ${show(load_average_at_end, 2)}`);
  if (json)
    process.stdout.write(`${JSON.stringify({ ...facts, ...results, failures, load_average_at_end })}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Ended)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.code || EXIT_INTERNAL;
}
