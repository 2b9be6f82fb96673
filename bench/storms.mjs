// tcptop under the largest loads: its processor time, memory and losses, and how long a connection takes from
// its connect() to its record on stdout.
import { setTimeout } from "node:timers/promises";
import { median, show, table } from "./numbers.mjs";
import { memory, percentBetween, processorTime } from "./process-cost.mjs";
import { Ended, readTool, startReadTcptop, startTool } from "./processes.mjs";

/** Refresh intervals in seconds. */
const DELAYS_S = [1, 0.1];

const WARM_UP_MS = 3000;
const SPARE_S = 60;

/** The connections whose delay is taken come from this address (bench/native/rates.c), about so far apart. */
const PROBE_NEEDLE = '"local_address":"127.0.200.201","local_port":';
const PROBE_GAP_MS = 100;

/** @typedef {import("./process-cost.mjs").Load} Load */
/** @typedef {{ name: string, tool: (seconds: number) => (string | number)[] }} Storm */
/** @typedef {Record<string, number>} Summary */

const LOSSES = ["flows_untracked", "closes_lost", "events_skipped", "records_invalid"];

/** Notes when each probe's first record came and what the last summary said, from pieces of output. */
class ArrivalReader {
  /** @type {Map<number, number>} */
  arrivedNs = new Map();
  /** @type {Summary | null} */
  summary = null;
  #rest = "";

  /** @param {Buffer} chunk */
  take = (chunk) => {
    const nowNs = Number(process.hrtime.bigint());
    const text = this.#rest + chunk.toString("latin1");
    const end = text.lastIndexOf("\n") + 1;
    this.#rest = text.slice(end);
    for (let at = text.indexOf(PROBE_NEEDLE); at >= 0 && at < end; at = text.indexOf(PROBE_NEEDLE, at + 1)) {
      const port = Number.parseInt(text.slice(at + PROBE_NEEDLE.length, at + PROBE_NEEDLE.length + 5), 10);
      if (!this.arrivedNs.has(port)) this.arrivedNs.set(port, nowNs);
    }
    const summary = text.lastIndexOf('"event":"summary"', end);
    if (summary >= 0) {
      const start = text.lastIndexOf("\n", summary) + 1;
      this.summary = JSON.parse(text.slice(start, text.indexOf("\n", summary)));
    }
  };
}

/**
 * Runs the probe; milliseconds from connect() to record of each connection that was told of.
 * @param {ArrivalReader} reader
 * @param {number} seconds
 * @param {number} delayS
 */
async function probeDelays(reader, seconds, delayS) {
  /** @type {{ port: number, atNs: number }[]} */
  const opened = [];
  const takeLine = (/** @type {string} */ line) => {
    const [port, atNs] = line.split(" ").map(Number);
    if (port !== undefined && atNs !== undefined) opened.push({ port, atNs });
  };
  await readTool(takeLine, "probe", Math.round((seconds * 1000) / PROBE_GAP_MS), PROBE_GAP_MS);
  await setTimeout(2 * delayS * 1000 + 500);
  const delays = opened.flatMap(({ port, atNs }) => {
    const arrivedNs = reader.arrivedNs.get(port);
    return arrivedNs === undefined ? [] : [(arrivedNs - atNs) / 1e6];
  });
  return { probes: opened.length, missing: opened.length - delays.length, delays };
}

/**
 * @param {Storm} storm
 * @param {number} delayS
 * @param {{ backend: string, seconds: number }} options
 */
async function measureStorm(storm, delayS, { backend, seconds }) {
  const load = await startTool(...storm.tool(Math.ceil(seconds + WARM_UP_MS / 1000) + SPARE_S));
  const reader = new ArrivalReader();
  const tcptop = await startReadTcptop(backend, delayS, reader.take);
  await setTimeout(WARM_UP_MS);
  while (reader.summary === null) await setTimeout(delayS * 1000);
  const from = processorTime(tcptop.pid);
  const { probes, missing, delays } = await probeDelays(reader, seconds, delayS);
  const to = processorTime(tcptop.pid);
  const used = memory(tcptop.pid);
  await tcptop.end();
  const churned = /** @type {{ connections: number, seconds: number } | null} */ (
    JSON.parse((await load.end()).trim() || "null")
  );
  const { refreshes_skipped = 0, records_deferred = 0, ...summary } = reader.summary;
  return {
    storm: storm.name,
    delay_s: delayS,
    opened_per_s: churned && churned.connections / churned.seconds,
    ...percentBetween(from, to),
    ...used,
    probes,
    probes_missing: missing,
    to_record_median_ms: delays.length > 0 ? median(delays) : null,
    to_record_max_ms: delays.length > 0 ? Math.max(...delays) : null,
    lost: Object.fromEntries(LOSSES.map((name) => [name, summary[name] ?? 0])),
    records_deferred,
    refreshes_skipped,
  };
}

/** @typedef {Awaited<ReturnType<typeof measureStorm>>} Weathered */
/** @typedef {{ storm: string, delay_s: number, error: string }} Refused */

/**
 * Each load at each refresh interval; what the machine does not allow says why.
 * @param {import("./main.mjs").Options} options
 */
export async function measureStorms({ backend, storms, say }) {
  const { seconds, churnPerSecond, active, idle } = storms;
  /** @type {Storm[]} */
  const loads = [
    {
      name: `${show(churnPerSecond)} opened and closed a second`,
      tool: (s) => ["churn", churnPerSecond, s],
    },
    { name: `${show(active)} active flows`, tool: (s) => ["flows", active, s] },
    { name: `${show(idle)} idle sockets`, tool: (s) => ["flows", idle, s, "idle"] },
  ];
  /** @type {(Weathered | Refused)[]} */
  const results = [];
  for (const storm of loads) {
    for (const delayS of DELAYS_S) {
      say(`${storm.name}, a refresh every ${delayS} s, ${seconds} s`);
      try {
        results.push(await measureStorm(storm, delayS, { backend, seconds }));
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
        results.push({ storm: storm.name, delay_s: delayS, error: error.message });
      }
    }
  }
  return { seconds, results };
}

/** @param {Weathered} result */
function remarks({ opened_per_s, lost, probes_missing, records_deferred, refreshes_skipped }) {
  const counts = { ...lost, probes_missing, records_deferred, refreshes_skipped };
  const told = Object.entries(counts).flatMap(([name, count]) =>
    count > 0 ? [`${name} ${show(count)}`] : [],
  );
  const rate = opened_per_s ? [`${show(opened_per_s)} opened/s`] : [];
  return [...rate, ...(told.length > 0 ? told : ["nothing lost"])].join(", ");
}

/** @param {{ seconds: number, results: readonly (Weathered | Refused)[] }} result */
export function stormTable({ seconds, results }) {
  return table(
    `tcptop under load, over ${seconds} s: per cent of one core, megabytes resident, milliseconds from connect() to the record (half a refresh is waiting for it)`,
    ["load", "refresh s", "user %", "system %", "both %", "RSS MB", "peak MB", "median ms", "most ms", ""],
    results.map((result) => {
      if ("error" in result)
        return [result.storm, show(result.delay_s, 1), ...Array(7).fill("-"), result.error];
      const { user_percent, system_percent, rss_mb, peak_mb } = result;
      return [
        result.storm,
        show(result.delay_s, 1),
        show(user_percent, 1),
        show(system_percent, 1),
        show(user_percent + system_percent, 1),
        show(rss_mb, 1),
        show(peak_mb, 1),
        show(result.to_record_median_ms),
        show(result.to_record_max_ms),
        remarks(result),
      ];
    }),
  );
}
