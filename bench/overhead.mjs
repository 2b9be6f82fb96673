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
  bulk: { what: "bulk, MB", unit: 1e6, args: (ms) => ["bulk", ms], count: "bytes" },
  round_trips: {
    what: `round trips of ${MESSAGE_BYTES} bytes`,
    unit: 1,
    args: (ms) => ["roundtrips", ms, MESSAGE_BYTES],
    count: "round_trips",
  },
};

/** Amounts a second, and a second of processor time. The latter hardly minds what else the machine does. */
async function measureAll(ms) {
  const rates = {};
  for (const [kind, { args, count }] of Object.entries(KINDS)) {
    const told = JSON.parse(await runTool(...args(ms)));
    rates[kind] = {
      per_s: told[count] / told.seconds,
      per_processor_s: told[count] / told.processor_seconds,
    };
  }
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

function summarise(measured) {
  return Object.fromEntries(
    Object.keys(KINDS).map((kind) => [
      kind,
      {
        per_s: compare(measured, (rates) => rates[kind].per_s),
        per_processor_s: compare(measured, (rates) => rates[kind].per_processor_s),
      },
    ]),
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

export function overheadTable({ pairs, ms, watchers }) {
  return table(
    `What the watched programs get done, in % of that without a watcher; ${pairs} pairs in turn, ${ms} ms each, one connection over loopback`,
    ["watcher", "what", "without", "with", "median %", "quartiles", "range", ""],
    watchers.flatMap(({ name, error, ...kinds }) =>
      error
        ? [[name, ...Array(6).fill("-"), error]]
        : Object.entries(kinds).flatMap(([kind, { per_s, per_processor_s }]) => {
            const { what, unit } = KINDS[kind];
            return [
              row(name, `${what}, a second`, per_s, unit),
              row(name, `${what}, a second of processor time`, per_processor_s, unit),
            ];
          }),
    ),
  );
}
