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

/** A second's worth of each, by the programs' own count. */
const KINDS = {
  bulk: async (ms) => {
    const { bytes, seconds } = JSON.parse(await runTool("bulk", ms));
    return bytes / seconds;
  },
  round_trips: async (ms) => {
    const { round_trips, seconds } = JSON.parse(await runTool("roundtrips", ms, MESSAGE_BYTES));
    return round_trips / seconds;
  },
};

async function measureAll(ms) {
  const rates = {};
  for (const [kind, measure] of Object.entries(KINDS)) rates[kind] = await measure(ms);
  return rates;
}

/** One ratio a pair: with to without. */
async function measurePairs(startWatcher, { pairs, ms }, tell) {
  const measured = [];
  let watcher = null;
  for (let pair = 0; pair < pairs; pair++) {
    tell(pair + 1);
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
    measured.push(rates);
  }
  await watcher?.end();
  return measured;
}

function summarise(measured) {
  return Object.fromEntries(
    Object.keys(KINDS).map((kind) => {
      const ratios = measured.map(({ on, off }) => on[kind] / off[kind]);
      return [
        kind,
        {
          off_per_s: median(measured.map(({ off }) => off[kind])),
          on_per_s: median(measured.map(({ on }) => on[kind])),
          ratio_median: median(ratios),
          ratio_quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
          ratio_range: [Math.min(...ratios), Math.max(...ratios)],
        },
      ];
    }),
  );
}

/** The same run with nobody watching: how far a ratio of 1 wanders on this machine. */
const NOBODY = { name: "nobody", start: async () => ({ end: async () => {} }) };

function watchersFor(backend) {
  const peers = PEERS.filter(({ name }) => output("which", [name]) !== "").map(({ name, args, version }) => ({
    name: [name, /\d[\d.]+/.exec(output(name, version))?.[0]].filter(Boolean).join(" "),
    start: () => startProgram(name, args),
  }));
  return [{ name: "tcptop", start: () => startTcptop(backend) }, ...peers, NOBODY];
}

/** Ratios of rates with each watcher to those without it, `pairs` of them, each of `ms` milliseconds twice. */
export async function measureOverhead({ backend, overhead, say }) {
  const watchers = [];
  for (const { name, start } of watchersFor(backend)) {
    const tell = (pair) => say(`overhead of ${name}, pair ${pair} of ${overhead.pairs}`);
    try {
      watchers.push({ name, ...summarise(await measurePairs(start, overhead, tell)) });
    } catch (error) {
      if (!(error instanceof Ended) || name === "tcptop") throw error;
      watchers.push({ name, error: error.message });
    }
  }
  return { ...overhead, watchers };
}

const percent = (ratio) => show(100 * ratio, 1);

function row(name, what, figures, unit) {
  const { off_per_s, on_per_s, ratio_median, ratio_quartiles, ratio_range } = figures;
  return [
    name,
    what,
    show(off_per_s / unit),
    show(on_per_s / unit),
    percent(ratio_median),
    ratio_quartiles.map(percent).join(" to "),
    ratio_range.map(percent).join(" to "),
    "",
  ];
}

export function overheadTable({ pairs, ms, watchers }) {
  return table(
    `Speed of the programs with a watcher, in % of that without; ${pairs} pairs in turn, ${ms} ms each, one connection over loopback`,
    ["watcher", "what", "without", "with", "median %", "quartiles", "range", ""],
    watchers.flatMap(({ name, bulk, round_trips, error }) =>
      error
        ? [[name, ...Array(6).fill("-"), error]]
        : [
            row(name, "bulk, MB/s", bulk, 1e6),
            row(name, `${MESSAGE_BYTES} bytes, round trips/s`, round_trips, 1),
          ],
    ),
  );
}
