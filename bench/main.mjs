// `npm run bench`: what tcptop costs the machine, as a table or with --json as one object. It reports
// figures beside their limits and judges nothing. Root is needed, as for tcptop itself.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { say } from "../scripts/lib.mjs";
import { setup } from "../scripts/setup.mjs";
import { firstRecordTable, measureFirstRecord } from "./first-record.mjs";
import { kernelTimeTable, measureKernelTime } from "./kernel-time.mjs";
import { show } from "./numbers.mjs";
import { measureOverhead, overheadTable } from "./overhead.mjs";
import { measureProcessCost, processCostTable } from "./process-cost.mjs";
import { Ended, startTcptop } from "./processes.mjs";
import { measureScreen, screenTable } from "./screen.mjs";
import { measureStorms, stormTable } from "./storms.mjs";

const USAGE =
  "usage: npm run bench -- [--backend auto|fentry|kprobe|tracepoint] [--only PART]... [--quick] [--json]";
const EXIT_USAGE = 64;
const EXIT_INTERNAL = 70;

const FULL = {
  roundTrips: 100_000,
  repeats: 3,
  flowCounts: [10, 1000, 10_000],
  seconds: 20,
  overhead: { pairs: 16, ms: 700 },
  storms: { seconds: 20, churnPerSecond: 10_000, active: 10_000, idle: 100_000 },
  screen: { frames: 50, keys: 15, flowCounts: [100, 1000] },
  socketCounts: [
    { sockets: 0, repeats: 7 },
    { sockets: 20_000, repeats: 7 },
    { sockets: 100_000, repeats: 3 },
  ],
};
const QUICK = {
  roundTrips: 20_000,
  repeats: 3,
  flowCounts: [10, 1000, 10_000],
  seconds: 5,
  overhead: { pairs: 10, ms: 300 },
  storms: { seconds: 5, churnPerSecond: 10_000, active: 10_000, idle: 100_000 },
  screen: { frames: 20, keys: 5, flowCounts: [100, 1000] },
  socketCounts: [
    { sockets: 0, repeats: 3 },
    { sockets: 20_000, repeats: 3 },
  ],
};

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        backend: { type: "string", default: "auto" },
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
      },
    });
    const unknown = values.only?.find((name) => !Object.hasOwn(PARTS, name));
    if (unknown !== undefined)
      throw new Error(`--only: '${unknown}' is not one of ${Object.keys(PARTS).join(", ")}`);
    return values;
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
}

/** Each part by its name: how it is measured, and its tables. */
const PARTS = {
  kernel_time: [measureKernelTime, kernelTimeTable],
  overhead: [measureOverhead, overheadTable],
  process_cost: [measureProcessCost, processCostTable],
  storms: [measureStorms, stormTable],
  screen: [measureScreen, screenTable],
  first_record: [measureFirstRecord, firstRecordTable],
};

async function describe(backend) {
  const tcptop = await startTcptop(backend);
  await tcptop.end();
  const { version, kernel, backend: used } = tcptop.firstRecord;
  return { version, kernel, backend: used };
}

async function measure({ backend, quick, only }) {
  const options = { ...(quick ? QUICK : FULL), backend, say: (text) => say(`bench: ${text}`) };
  const result = {
    ...(await describe(backend)),
    node: process.version,
    processors: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    load_average: loadavg()[0],
  };
  for (const name of only ?? Object.keys(PARTS)) result[name] = await PARTS[name][0](options);
  return { ...result, load_average_at_end: loadavg()[0] };
}

function report(result) {
  const { version, backend, kernel, node, processors, processor } = result;
  const load = [result.load_average, result.load_average_at_end].map((value) => show(value, 2)).join(" to ");
  return [
    `tcptop ${version}, backend ${backend}, Linux ${kernel}, Node ${node}, ${processors} x ${processor}, load average ${load}\n`,
    ...Object.entries(PARTS).flatMap(([name, [, tables]]) => (name in result ? [tables(result[name])] : [])),
  ].join("\n");
}

const options = readOptions();
setup();
try {
  const result = await measure(options);
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : report(result));
} catch (error) {
  if (!(error instanceof Ended)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.code || EXIT_INTERNAL;
}
