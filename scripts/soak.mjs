// `npm run soak [-- --minutes 30 --rate 1000 | --short]`: opens and closes connections while tcptop watches, and judges
// whether its memory and the kernel's flow tables stay flat. As root. Exit 1 if not.
//
// In rounds: TCP connections and UDP flows come and go; then all is quiet until tcptop shows none of them
// and its tables hold no more than it shows; then its memory is read after a collection of garbage.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { brokerOf, messageOf, output, root, say } from "./lib.mjs";

const ROUND_S = 20;
/** With --short: every part once, on too few rounds to judge by. */
const SHORT = { minutes: 0.05, rate: 100, roundS: 1 };
/** How long tables may take to empty; TIME_WAIT is no entry. */
const PATIENCE_MS = 20_000;
/** The first rounds fill caches and let code be compiled. */
const WARM_UP_SHARE = 0.25;
/** Growth of the least value from the first to the last third of the judged rounds, in megabytes. */
const HEAP_LIMIT_MB = 1;
const RSS_LIMIT_MB = 8;
const UDP_SHARE = 0.1;

const EXIT_USAGE = 64;
const TOOL = join(root, "build/cmake/bench/bench_tool");
const TRAFFIC = join(root, "build/cmake/traffic/traffic");

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "30" },
        rate: { type: "string", default: "1000" },
        backend: { type: "string", default: "auto" },
        short: { type: "boolean", default: false },
      },
    });
    if (values.short) return { ...SHORT, backend: values.backend };
    const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
    if (!(minutes > 0 && minutes <= 1440)) throw new Error("--minutes needs a number up to 1440");
    if (!(Number.isInteger(rate) && rate > 0)) throw new Error("--rate needs a whole number");
    return { minutes, rate, roundS: ROUND_S, backend: values.backend };
  } catch (error) {
    process.stderr.write(
      `error: ${messageOf(error)}\nusage: npm run soak -- [--minutes N] [--rate N] [--short] [--backend NAME]\n`,
    );
    return process.exit(EXIT_USAGE);
  }
}

/** @typedef {Record<string, number>} Summary */

/**
 * A file of a process, empty if it is gone meanwhile.
 * @param {string} path
 */
function readOpenFile(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/**
 * The ids of the BPF maps a process holds, by fdinfo.
 * @param {number} pid
 */
function mapIds(pid) {
  const ids = readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) => {
    const id = /^map_id:\s*(\d+)$/m.exec(readOpenFile(`/proc/${pid}/fdinfo/${fd}`))?.[1];
    return id === undefined ? [] : [Number(id)];
  });
  return [...new Set(ids)];
}

/**
 * Entries of a process's hash tables, by their names.
 * @param {number} pid
 */
function tableEntries(pid) {
  const lines = output(TRAFFIC, ["bpf-map-entries", ...mapIds(pid).map(String)])
    .trim()
    .split("\n");
  /** @type {Record<string, number>} */
  const counts = {};
  for (const [name = "", count] of lines.map((line) => line.split(" "))) counts[name] = Number(count);
  return { tcp: counts["tcp_flows"] ?? 0, udp: counts["udp_flows"] ?? 0, owners: counts["udp_owners"] ?? 0 };
}

class Watched {
  /** @type {Summary | null} */
  #summary = null;
  #child;
  #exited = false;
  skipped = 0;

  /** @param {string} backend */
  constructor(backend) {
    this.#child = spawn(
      process.execPath,
      [
        ...["--expose-gc", "--import", join(root, "test/support/memory-report.mjs")],
        ...[join(root, "bin/tcptop.js"), "--batch", "--format", "json", "--udp-timeout", "1"],
        ...["--backend", backend],
      ],
      { stdio: ["ignore", "pipe", "inherit", "ipc"] },
    );
    this.#child.once("exit", () => {
      this.#exited = true;
    });
    process.on("exit", () => this.#child.kill());
    if (this.#child.stdout === null) throw new Error("no pipe");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      if (line.includes('"event":"summary"')) this.#summary = JSON.parse(line);
    });
  }

  get pid() {
    if (this.#child.pid === undefined) throw new Error("tcptop cannot be started");
    return this.#child.pid;
  }

  /**
   * The next summary.
   * @returns {Promise<Summary>}
   */
  async summary() {
    this.#summary = null;
    for (;;) {
      await setTimeout(100);
      const summary = this.#lastSummary();
      if (summary !== null) return summary;
      if (this.#exited) throw new Error("tcptop has ended");
    }
  }

  #lastSummary() {
    return this.#summary;
  }

  /** Summary and table entries once the tables hold no more than what is shown. */
  async settled() {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      await this.summary();
      const summary = await this.summary();
      const tables = tableEntries(brokerOf(this.pid) ?? this.pid);
      const { tcp = 0, udp = 0 } = summary;
      const isSettled = tables.tcp <= tcp && tables.udp <= udp;
      if (isSettled || performance.now() > deadline) return { summary, tables, isSettled };
    }
  }

  async memory() {
    this.#child.send("memory");
    const [usage] = /** @type {[NodeJS.MemoryUsage]} */ (await once(this.#child, "message"));
    return { heap_mb: usage.heapUsed / 1e6, rss_mb: usage.rss / 1e6, external_mb: usage.external / 1e6 };
  }

  async end() {
    this.#child.kill("SIGTERM");
    if (!this.#exited) await once(this.#child, "exit");
  }
}

/**
 * Opens and closes connections for a round; resolves to how many it were.
 * @param {number} roundS
 * @param {number} rate
 * @param {string[]} kind
 * @returns {Promise<number>}
 */
async function churn(roundS, rate, ...kind) {
  const child = spawn(TOOL, ["churn", String(rate), String(roundS), ...kind], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ part) => {
    text += part;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`bench_tool churn ended with ${code}`);
  return JSON.parse(text.trim().split("\n").at(-1) ?? "").connections;
}

/**
 * How far the least value of the last third is above that of the first. What other programs do on the
 * machine raises single rounds; what is never given back raises the floor.
 * @param {readonly number[]} values
 */
function growth(values) {
  const third = Math.max(1, Math.floor(values.length / 3));
  return Math.min(...values.slice(-third)) - Math.min(...values.slice(0, third));
}

const { minutes, rate, roundS, backend } = readOptions();
const tcptop = new Watched(backend);
await tcptop.summary();
const endMs = performance.now() + minutes * 60_000;
/** @type {Awaited<ReturnType<Watched["memory"]>>[]} */
const rounds = [];
let connections = 0;
let unsettled = 0;
while (performance.now() < endMs) {
  const [tcp, udp] = await Promise.all([
    churn(roundS, rate),
    churn(roundS, Math.ceil(rate * UDP_SHARE), "udp"),
  ]);
  connections += tcp + udp;
  const { summary, tables, isSettled } = await tcptop.settled();
  if (!isSettled) unsettled++;
  const memory = await tcptop.memory();
  rounds.push(memory);
  const { closes_lost, flows_untracked, records_deferred } = summary;
  say(
    `${String(connections).padStart(9)} connections: heap ${memory.heap_mb.toFixed(2)} MB, RSS ${memory.rss_mb.toFixed(1)} MB, ` +
      `tables ${tables.tcp} tcp ${tables.udp} udp ${tables.owners} owners, shown ${summary["tcp"]} tcp ${summary["udp"]} udp, ` +
      `closes lost ${closes_lost}, untracked ${flows_untracked}, deferred ${records_deferred}`,
  );
}
await tcptop.end();

const judged = rounds.slice(Math.floor(rounds.length * WARM_UP_SHARE));
const heapMb = growth(judged.map((round) => round.heap_mb));
const rssMb = growth(judged.map((round) => round.rss_mb));
const isFlat = heapMb < HEAP_LIMIT_MB && rssMb < RSS_LIMIT_MB && unsettled === 0;
console.log(
  `${isFlat ? "flat" : "NOT FLAT"}: ${connections} connections in ${minutes} min; over the last ${judged.length} of ${rounds.length} rounds ` +
    `the heap grew by ${heapMb.toFixed(2)} MB (limit ${HEAP_LIMIT_MB}), RSS by ${rssMb.toFixed(1)} MB (limit ${RSS_LIMIT_MB}); ` +
    `rounds after which a table held more than was shown: ${unsettled}`,
);
process.exitCode = isFlat ? 0 : 1;
