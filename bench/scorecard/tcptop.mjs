// tcptop under examination: its stream, and how it compares with what the programs counted.
import { join } from "node:path";
import { root } from "../../scripts/lib.mjs";
import { Watched } from "./watched.mjs";

const REFRESH_S = 0.5;
const UDP_TIMEOUT_S = 3;
const MAX_REFRESHES = 7200;

/** Where the traffic is; what else the machine does is not read. */
const ADDRESSES = ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1"];

const LOSS_COUNTERS = [
  "flows_untracked",
  "bytes_untracked",
  "datagrams_untracked",
  "closes_lost",
  "datagrams_uncorrected",
  "records_invalid",
  "events_skipped",
];

/** @typedef {import("./network.mjs").End} End */

/**
 * A line of tcptop's stream.
 * @typedef {End & { event: "open" | "update" | "close" }} Row
 */

/** @typedef {{ event: "start", version: string, backend: string }} Start */
/** @typedef {{ event: "summary" } & Record<string, number>} Summary */
/** @typedef {{ end: End, rows: Row[] }} Shown */

/**
 * How tcptop compares with the programs.
 * @typedef {Awaited<ReturnType<Tcptop["score"]>>} TcptopScore
 */

/** @param {End} flow */
function keyOf(flow) {
  return [
    flow.netns,
    flow.proto,
    flow.local_address,
    flow.local_port,
    flow.remote_address,
    flow.remote_port,
  ].join(" ");
}

/** A running tcptop. */
export class Tcptop {
  /** @type {Start | null} */
  start = null;
  #process;
  #summaries = 0;
  /** @type {Record<string, number>} */
  #losses = {};
  /** @type {Map<string, Row[]>} */
  #rows = new Map();

  /** @param {string} backend */
  constructor(backend) {
    const fixed = [join(root, "bin/tcptop.js"), "--batch", "--format", "json", "--backend", backend];
    const only = ADDRESSES.flatMap((address) => ["--host", address]);
    const times = ["-d", REFRESH_S, "-n", MAX_REFRESHES, "--udp-timeout", UDP_TIMEOUT_S];
    const take = (/** @type {string} */ line) => this.#take(JSON.parse(line));
    this.#process = new Watched(process.execPath, [...fixed, ...only, ...times], take, { byFile: true });
  }

  /** @param {Start | Summary | Row} record */
  #take(record) {
    if (record.event === "start") this.start = record;
    else if (record.event === "summary") {
      this.#summaries++;
      this.#losses = Object.fromEntries(LOSS_COUNTERS.map((name) => [name, record[name] ?? 0]));
    } else {
      const key = keyOf(record);
      const rows = this.#rows.get(key) ?? [];
      rows.push(record);
      this.#rows.set(key, rows);
    }
  }

  /**
   * Resolves to what it says first; throws with its own words when it cannot capture.
   * @param {number} limitMs
   */
  async ready(limitMs) {
    await this.#process.until(() => this.start !== null, limitMs);
    if (this.start !== null) return this.start;
    throw new Error(this.#process.errors || "tcptop did not start");
  }

  /** @param {End} end */
  #closesOf(end) {
    return (this.#rows.get(keyOf(end)) ?? []).filter((row) => row.event === "close");
  }

  /**
   * Waits until it has told the end of these flows, then compares. Forgets all rows.
   * @param {readonly End[]} ends
   * @param {number} limitMs
   */
  async score(ends, limitMs) {
    await this.#process.until(() => ends.every((end) => this.#closesOf(end).length > 0), limitMs);
    const seen = this.#summaries;
    await this.#process.until(() => this.#summaries >= seen + 2, limitMs);
    const told = ends.map((end) => ({ end, rows: this.#closesOf(end) }));
    this.#rows.clear();
    return {
      ends: ends.length,
      // A flow told twice is as wrong as one not told.
      seen: told.filter(({ rows }) => rows.length === 1).length,
      owned: told.filter(({ end, rows }) => rows.some((row) => isOwner(row, end))).length,
      in: error(told, "bytes_in"),
      out: error(told, "bytes_out"),
      udpPackets: packetError(told),
    };
  }

  /** Loss counters that are not 0. */
  losses() {
    return Object.fromEntries(Object.entries(this.#losses).filter(([, count]) => count !== 0));
  }

  stop() {
    return this.#process.stop();
  }
}

/**
 * @param {Row} row
 * @param {End} end
 */
function isOwner(row, end) {
  return row.pid === end.pid && row.process === end.process;
}

/** @typedef {"bytes_in" | "bytes_out" | "packets_in" | "packets_out"} Field */

/**
 * @param {readonly End[]} flows
 * @param {Field} field
 */
function sumOf(flows, field) {
  return flows.reduce((total, flow) => total + (flow[field] ?? 0), 0);
}

/**
 * Bytes by the programs, and how many of them are wrong: flow by flow, so that errors cannot cancel out.
 * @param {readonly Shown[]} told
 * @param {Field} field
 */
function error(told, field) {
  const wrong = told.map(({ end, rows }) => Math.abs(sumOf(rows, field) - sumOf([end], field)));
  return {
    bytes: sumOf(
      told.map(({ end }) => end),
      field,
    ),
    wrong: wrong.reduce((total, bytes) => total + bytes, 0),
  };
}

/**
 * Datagrams that are wrong, in and out; null where nothing is UDP.
 * @param {readonly Shown[]} told
 */
function packetError(told) {
  const udp = told.filter(({ end }) => end.proto === "udp");
  if (udp.length === 0) return null;
  return error(udp, "packets_in").wrong + error(udp, "packets_out").wrong;
}
