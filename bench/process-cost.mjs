// What tcptop itself takes: processor time and memory, by the number of flows that move.
import { setTimeout } from "node:timers/promises";
import { brokerOf, output } from "../scripts/lib.mjs";
import { against, show, table } from "./numbers.mjs";
import { Ended, readProc, startSilentTcptop, startTool } from "./processes.mjs";

/** Per cent of one core by number of flows. */
const CPU_LIMITS = new Map([
  [10, 1],
  [1000, 3],
  [10_000, 15],
]);

/** Megabytes by number of flows. */
const MEMORY_LIMITS = new Map([[1000, 90]]);

const WARM_UP_MS = 3000;

/** The load outlives the measurement by this, and ends by itself should this process die. */
const SPARE_S = 20;

const ticksPerSecond = Number(output("getconf", ["CLK_TCK"])) || 100;

/** @typedef {{ utime: number, stime: number, atMs: number }} ProcessorTime */
/** @typedef {Awaited<ReturnType<typeof measureLoad>>} Load */

/**
 * A tcptop and its broker, whose cost is one.
 * @param {number} pid
 */
function bothOf(pid) {
  const broker = brokerOf(pid);
  return broker === null ? [pid] : [pid, broker];
}

/**
 * Seconds of user and system time, from /proc/PID/stat (proc(5), fields 14 and 15).
 * @param {number} pid
 * @returns {ProcessorTime}
 */
export function processorTime(pid) {
  const times = bothOf(pid).map((one) => {
    const stat = readProc(one, "stat");
    if (stat === null) throw new Ended("tcptop", 1, "tcptop ended while it was measured");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  });
  const seconds = (/** @type {number} */ field) =>
    times.reduce((sum, fields) => sum + Number(fields[field]), 0) / ticksPerSecond;
  return { utime: seconds(11), stime: seconds(12), atMs: performance.now() };
}

/**
 * Megabytes resident, now and at most.
 * @param {number} pid
 */
export function memory(pid) {
  const statuses = bothOf(pid).map((one) => readProc(one, "status") ?? "");
  const megabytes = (/** @type {string} */ key) => {
    const line = new RegExp(`^${key}:\\s*(\\d+) kB$`, "m");
    return (statuses.reduce((sum, status) => sum + Number(line.exec(status)?.[1]), 0) * 1024) / 1e6;
  };
  return { rss_mb: megabytes("VmRSS"), peak_mb: megabytes("VmHWM") };
}

/**
 * Per cent of one core over `seconds`, after a warm-up, and memory, of the tcptop that is started.
 * @param {() => Promise<{ pid: number, end(): Promise<void> }>} startTcptop
 * @param {number} flows
 * @param {number} seconds
 */
export async function measureLoad(startTcptop, flows, seconds) {
  const load = await startTool("flows", flows, Math.ceil(seconds + WARM_UP_MS / 1000) + SPARE_S);
  const tcptop = await startTcptop();
  await setTimeout(WARM_UP_MS);
  const from = processorTime(tcptop.pid);
  await setTimeout(seconds * 1000);
  const to = processorTime(tcptop.pid);
  const used = memory(tcptop.pid);
  await tcptop.end();
  await load.end();
  return { flows, ...percentBetween(from, to), ...used };
}

/**
 * Per cent of one core between two calls of processorTime.
 * @param {ProcessorTime} from
 * @param {ProcessorTime} to
 */
export function percentBetween(from, to) {
  const percent = (/** @type {"utime" | "stime"} */ key) =>
    (100_000 * (to[key] - from[key])) / (to.atMs - from.atMs);
  return { user_percent: percent("utime"), system_percent: percent("stime") };
}

/**
 * The cost at a refresh of 1 s, written as JSON to /dev/null.
 * @param {import("./main.mjs").Options} options
 */
export async function measureProcessCost({ backend, flowCounts, seconds, say }) {
  const loads = [];
  for (const flows of flowCounts) {
    say(`processor time and memory with ${show(flows)} active flows, ${seconds} s`);
    loads.push(await measureLoad(async () => startSilentTcptop(backend), flows, seconds));
  }
  return { seconds, loads };
}

/** @param {Load} load */
function remarks({ flows, user_percent, system_percent, rss_mb }) {
  const cpu = CPU_LIMITS.get(flows);
  const memoryLimit = MEMORY_LIMITS.get(flows);
  return [
    ...(cpu ? [against(user_percent + system_percent, cpu, "%")] : []),
    ...(memoryLimit ? [against(rss_mb, memoryLimit, "MB")] : []),
  ].join(", ");
}

/**
 * Columns of a load, without the last one, which is for remarks.
 * @param {Load} load
 */
export function loadCells({ flows, user_percent, system_percent, rss_mb, peak_mb }) {
  return [
    show(flows),
    show(user_percent, 2),
    show(system_percent, 2),
    show(user_percent + system_percent, 2),
    show(rss_mb, 1),
    show(peak_mb, 1),
  ];
}

export const LOAD_HEAD = ["active flows", "user %", "system %", "both %", "RSS MB", "peak MB", ""];

/** @param {{ seconds: number, loads: Load[] }} result */
export function processCostTable({ seconds, loads }) {
  return table(
    `tcptop's own cost at a refresh of 1 s, over ${seconds} s: per cent of one core, megabytes resident`,
    LOAD_HEAD,
    loads.map((load) => [...loadCells(load), remarks(load)]),
  );
}
