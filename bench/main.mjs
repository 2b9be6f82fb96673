// `npm run bench`: what tcptop costs the machine, as a table or with --json as one object. It reports
// figures beside their limits and judges nothing. Root is needed, as for tcptop itself.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { say } from "../scripts/lib.mjs";
import { setup } from "../scripts/setup.mjs";
import { firstRecordTable, measureFirstRecord } from "./first-record.mjs";
import { kernelTimeTable, measureKernelTime } from "./kernel-time.mjs";
import { show } from "./numbers.mjs";
import { measureProcessCost, processCostTable } from "./process-cost.mjs";
import { Ended } from "./processes.mjs";
import { measureScreen, screenTable } from "./screen.mjs";

const USAGE = "usage: npm run bench -- [--backend auto|fentry|kprobe|tracepoint] [--quick] [--json]";
const EXIT_USAGE = 64;
const EXIT_INTERNAL = 70;

const FULL = {
  roundTrips: 100_000,
  repeats: 3,
  flowCounts: [10, 1000, 10_000],
  seconds: 20,
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
      },
    });
    return values;
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
}

async function measure({ backend, quick }) {
  const options = { ...(quick ? QUICK : FULL), backend, say: (text) => say(`bench: ${text}`) };
  const kernelTime = await measureKernelTime(options);
  const { version, kernel, backend: used, ...kernelTimes } = kernelTime;
  return {
    version,
    kernel,
    backend: used,
    node: process.version,
    processors: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    load_average: loadavg()[0],
    kernel_time: kernelTimes,
    process_cost: await measureProcessCost(options),
    screen: await measureScreen(options),
    first_record: await measureFirstRecord(options),
  };
}

function report(result) {
  const { version, backend, kernel, node, processors, processor, load_average } = result;
  return [
    `tcptop ${version}, backend ${backend}, Linux ${kernel}, Node ${node}, ${processors} x ${processor}, load average ${show(load_average, 2)}\n`,
    kernelTimeTable(result.kernel_time),
    processCostTable(result.process_cost),
    screenTable(result.screen),
    firstRecordTable(result.first_record),
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
