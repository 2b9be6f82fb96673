// What the programs that are watched notice: throughput and round trips on loopback, with tcptop (or a peer) and
// without. Alternating (off on, on off, ...), so that whatever else changes on the machine meets both.
import { setTimeout } from "node:timers/promises";
import { output } from "../scripts/lib.mjs";
import { median, quantile, show, table } from "./numbers.mjs";
import { Ended, runTool, startProgram, startTcptop } from "./processes.mjs";

const MESSAGE_BYTES = 64;
const SETTLE_MS = 1000;

/** Other programs that show connections by their traffic, and how they are started on loopback. */
const PEERS = [{ name: "nethogs", args: ["-a", "-t", "-d", "1", "lo"], version: ["-V"] }];

/** What is measured, by the tool's modes; `unit` is what the table counts in. */
const KINDS = {
  bulk: { what: "bulk, MB", unit: 1e6, args: (/** @type {number} */ ms) => ["bulk", ms], count: "bytes" },
  round_trips: {
    what: `round trips of ${MESSAGE_BYTES} bytes`,
    unit: 1,
    args: (/** @type {number} */ ms) => ["roundtrips", ms, MESSAGE_BYTES],
    count: "round_trips",
  },
};

/** @typedef {keyof typeof KINDS} Kind */
/** @typedef {{ per_s: number, per_processor_s: number }} Rate */
/** @typedef {Record<Kind, Rate>} Rates */
/** @typedef {{ on: Rates, off: Rates }} Pair */
/** @typedef {{ end(): Promise<void> }} Watcher */

/**
 * Amounts a second, and a second of processor time. The latter hardly minds what else the machine does.
 * @param {Kind} kind
 * @param {number} ms
 * @returns {Promise<Rate>}
 */
async function measureKind(kind, ms) {
  const { args, count } = KINDS[kind];
  const counted = /** @type {Record<string, number>} */ (JSON.parse(await runTool(...args(ms))));
  const amount = counted[count] ?? Number.NaN;
  const { seconds = Number.NaN, processor_seconds = Number.NaN } = counted;
  return { per_s: amount / seconds, per_processor_s: amount / processor_seconds };
}

/**
 * @param {number} ms
 * @returns {Promise<Rates>}
 */
async function measureAll(ms) {
  return { bulk: await measureKind("bulk", ms), round_trips: await measureKind("round_trips", ms) };
}

/**
 * One ratio a pair: with to without.
 * @param {() => Promise<Watcher>} startWatcher
 * @param {{ pairs: number, ms: number }} sizes
 * @param {(pair: number) => void} tell
 */
async function measurePairs(startWatcher, { pairs, ms }, tell) {
  /** @type {Pair[]} */
  const measured = [];
  /** @type {Watcher | null} */
  let watcher = null;
  for (let pair = 0; pair < pairs; pair++) {
    tell(pair + 1);
    /** @type {Partial<Pair>} */
    const rates = {};
    for (const isOn of pair % 2 === 0 ? [false, true] : [true, false]) {
      if (isOn && watcher === null) {
        watcher = await startWatcher();
        await setTimeout(SETTLE_MS);
      } else if (!isOn && watcher !== null) {
        await watcher.end();
        watcher = null;
      }
      rates[isOn ? "on" : "off"] = await measureAll(ms);
    }
    if (rates.on && rates.off) measured.push({ on: rates.on, off: rates.off });
  }
  await watcher?.end();
  return measured;
}

/**
 * @param {readonly Pair[]} measured
 * @param {(rates: Rates) => number} read
 */
function compare(measured, read) {
  const ratios = measured.map(({ on, off }) => read(on) / read(off));
  return {
    off: median(measured.map(({ off }) => read(off))),
    on: median(measured.map(({ on }) => read(on))),
    ratio_median: median(ratios),
    ratio_quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    ratio_range: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** @typedef {ReturnType<typeof compare>} Comparison */

/** @param {readonly Pair[]} measured */
function summarise(measured) {
  /** @param {Kind} kind */
  const of = (kind) => ({
    per_s: compare(measured, (rates) => rates[kind].per_s),
    per_processor_s: compare(measured, (rates) => rates[kind].per_processor_s),
  });
  return { bulk: of("bulk"), round_trips: of("round_trips") };
}

/** @typedef {{ name: string, rates: ReturnType<typeof summarise> | null, error: string | null }} Watched */

/** The same run with nobody watching: how far a ratio of 1 wanders on this machine. */
const NOBODY = { name: "nobody", start: async () => ({ end: async () => {} }) };

/** @param {string} backend */
function watchersFor(backend) {
  const peers = PEERS.filter(({ name }) => output("which", [name]) !== "").map(({ name, args, version }) => ({
    name: [name, /\d[\d.]+/.exec(output(name, version))?.[0]].filter(Boolean).join(" "),
    start: () => startProgram(name, args),
  }));
  return [{ name: "tcptop", start: () => startTcptop(backend) }, ...peers, NOBODY];
}

/**
 * Ratios of rates with each watcher to those without it, `pairs` of them, each of `ms` milliseconds twice.
 * @param {import("./main.mjs").Options} options
 */
export async function measureOverhead({ backend, overhead, say }) {
  /** @type {Watched[]} */
  const watchers = [];
  for (const { name, start } of watchersFor(backend)) {
    const tell = (/** @type {number} */ pair) =>
      say(`overhead of ${name}, pair ${pair} of ${overhead.pairs}`);
    try {
      const rates = summarise(await measurePairs(start, overhead, tell));
      watchers.push({ name, rates, error: null });
    } catch (error) {
      if (!(error instanceof Ended) || name === "tcptop") throw error;
      watchers.push({ name, rates: null, error: error.message });
    }
  }
  return { ...overhead, watchers };
}

const percent = (/** @type {number} */ ratio) => show(100 * ratio, 1);

/**
 * @param {string} name
 * @param {string} what
 * @param {Comparison} comparison
 * @param {number} unit
 */
function row(name, what, { off, on, ratio_median, ratio_quartiles, ratio_range }, unit) {
  return [
    name,
    what,
    show(off / unit),
    show(on / unit),
    percent(ratio_median),
    ratio_quartiles.map(percent).join(" to "),
    ratio_range.map(percent).join(" to "),
    "",
  ];
}

/** @param {{ pairs: number, ms: number, watchers: readonly Watched[] }} result */
export function overheadTable({ pairs, ms, watchers }) {
  return table(
    `What the watched programs get done, in % of that without a watcher; ${pairs} pairs in turn, ${ms} ms each, one connection over loopback`,
    ["watcher", "what", "without", "with", "median %", "quartiles", "range", ""],
    watchers.flatMap(({ name, rates, error }) => {
      if (rates === null) return [[name, ...Array(6).fill("-"), error ?? ""]];
      return /** @type {Kind[]} */ (["bulk", "round_trips"]).flatMap((kind) => {
        const { what, unit } = KINDS[kind];
        const { per_s, per_processor_s } = rates[kind];
        return [
          row(name, `${what}, a second`, per_s, unit),
          row(name, `${what}, a second of processor time`, per_processor_s, unit),
        ];
      });
    }),
  );
}
