// The network of the scorecard: two namespaces with a veth pair, counted by nftables in each.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib.mjs";
import { must, runToEnd, Watched } from "./watched.mjs";

const LINK = join(root, "test/traffic/link");
const TRAFFIC = join(root, "build/cmake/traffic/traffic");
const EXIT_SKIPPED = 77;

/** @typedef {import("./scenarios.mjs").Place} Place */
/** @typedef {{ packets: number, wireBytes: number, payloadBytes: number }} Count */
/** @typedef {{ tcp: Count, udp: Count }} Counts */

/**
 * What a program of the traffic counted at its end of a flow.
 * @typedef {object} End
 * @property {string} end
 * @property {string} proto
 * @property {number} pid
 * @property {string} process
 * @property {number} netns
 * @property {string} local_address
 * @property {number} local_port
 * @property {string} remote_address
 * @property {number} remote_port
 * @property {number} bytes_in
 * @property {number} bytes_out
 * @property {number} [packets_in]
 * @property {number} [packets_out]
 */

/**
 * A rule as nft(8) writes it in JSON.
 * @typedef {{ chain: string, comment: string, expr: { counter?: { packets: number, bytes: number } }[] }} Rule
 */

/** Header lengths in bytes; TCP's is in the packet, in words of 4 bytes. */
const IP_HEADER = { ipv4: 20, ipv6: 40 };
const UDP_HEADER = 8;
const TCP_WORDS = Array.from({ length: 11 }, (_, i) => i + 5);

/** One counter for each length of header, so that payload is what remains, to the byte. */
function countingRules() {
  const families = Object.entries(IP_HEADER).flatMap(([family, header]) => [
    ...TCP_WORDS.map(
      (words) =>
        `meta nfproto ${family} meta l4proto tcp tcp doff ${words} counter comment "tcp ${header + 4 * words}"`,
    ),
    `meta nfproto ${family} meta l4proto udp counter comment "udp ${header + UDP_HEADER}"`,
  ]);
  return ['ip hdrlength != 5 counter comment "options 0"', ...families].join("\n");
}

function ruleset() {
  const chain = (/** @type {string} */ hook) =>
    `chain ${hook} {\ntype filter hook ${hook} priority -300\npolicy accept\n${countingRules()}\n}`;
  return `table inet scorecard\ndelete table inet scorecard\ntable inet scorecard {\n${chain("input")}\n${chain("output")}\n}\n`;
}

function emptyCount() {
  return { packets: 0, wireBytes: 0, payloadBytes: 0 };
}

/**
 * What one chain counted, by protocol.
 * @param {readonly Rule[]} rules
 * @param {string} hook
 */
function countsOf(rules, hook) {
  /** @type {Counts} */
  const counts = { tcp: emptyCount(), udp: emptyCount() };
  for (const { chain, comment, expr } of rules) {
    if (chain !== hook) continue;
    const [protocol, headerBytes] = comment.split(" ");
    const { packets = 0, bytes = 0 } = expr.find((one) => one.counter)?.counter ?? {};
    if (protocol === "options") {
      if (packets > 0) throw new Error("packets with IP options: their payload cannot be told");
      continue;
    }
    const count = protocol === "tcp" ? counts.tcp : counts.udp;
    count.packets += packets;
    count.wireBytes += bytes;
    count.payloadBytes += bytes - packets * Number(headerBytes);
  }
  return counts;
}

/** Where cgroup v2 is mounted. */
function cgroupMount() {
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((one) => one.includes(" - cgroup2 "));
  return line?.split(" ")[4];
}

/** The two namespaces, from `up` to `down`. */
export class Network {
  #name = `tcptop-score-${process.pid}`;
  /** @type {string | undefined} */
  #cgroup;
  #down = () => this.down();

  get near() {
    return `${this.#name}-near`;
  }

  get far() {
    return `${this.#name}-far`;
  }

  async up() {
    process.once("exit", this.#down);
    await must(LINK, ["up", this.#name]);
    const mount = cgroupMount();
    if (!mount) return;
    this.#cgroup = join(mount, this.#name);
    mkdirSync(this.#cgroup);
  }

  /** Removes all that was made; also when this process is ended before. */
  down() {
    process.removeListener("exit", this.#down);
    spawnSync(LINK, ["down", this.#name]);
    if (this.#cgroup) rmdirSync(this.#cgroup);
  }

  /** Sets the counters of nftables to 0. Resolves to null, or to why nftables cannot be used. */
  async resetCounters() {
    for (const side of [this.near, this.far]) {
      const { code, stderr } = await runToEnd("ip", ["netns", "exec", side, "nft", "-f", "-"], ruleset());
      if (code !== 0) return stderr.trim().split("\n")[0] ?? "";
    }
    return null;
  }

  /**
   * What nftables counted at one side, each by protocol.
   * @param {string} side
   */
  async counted(side) {
    const text = await must("ip", ["netns", "exec", side, "nft", "-j", "list", "table", "inet", "scorecard"]);
    const { nftables } = /** @type {{ nftables: { rule?: Rule }[] }} */ (JSON.parse(text));
    const rules = nftables.flatMap(({ rule }) => (rule ? [rule] : []));
    return { input: countsOf(rules, "input"), output: countsOf(rules, "output") };
  }

  /** Segments that TCP has sent again, on both sides, since the namespaces were made. */
  async retransmitted() {
    let segments = 0;
    for (const side of [this.near, this.far]) {
      const text = await must("ip", ["netns", "exec", side, "cat", "/proc/net/snmp"]);
      const [names = [], values = []] = text
        .split("\n")
        .filter((line) => line.startsWith("Tcp:"))
        .map((line) => line.split(" "));
      segments += Number(values[names.indexOf("RetransSegs")]);
    }
    return segments;
  }

  /**
   * Starts echo requests, which nothing here counts: some tools show what has passed only when the next
   * packet comes. `stop` ends them.
   * @param {Place | undefined} place
   */
  stir(place) {
    const address = place === "loopback" ? "127.0.0.1" : "192.0.2.2";
    return new Watched(
      "ip",
      ["netns", "exec", this.near, "ping", "-n", "-q", "-i", "0.2", address],
      () => {},
    );
  }

  /**
   * Runs a scenario; what its programs counted, one object an end, or why not.
   * @param {string} scenario
   * @param {Record<string, number>} args
   * @param {Place | undefined} place
   * @param {number} timeoutS
   * @returns {Promise<{ ends: End[] } | { skip: string } | { failure: string }>}
   */
  async traffic(scenario, args, place, timeoutS) {
    const near = ["netns", "exec", this.near];
    const options = Object.entries({ ...args, timeout: timeoutS }).map(([key, value]) => `${key}=${value}`);
    if (place !== "loopback") options.push(`far=/run/netns/${this.far}`);
    const command =
      place === "container"
        ? [
            "sh",
            "-c",
            `echo $$ >${this.#cgroup}/cgroup.procs && exec "$@"`,
            "sh",
            ...["ip", ...near, "unshare", "--pid", "--fork", "--kill-child", "--cgroup", TRAFFIC],
          ]
        : ["ip", ...near, TRAFFIC];
    const { code, stdout, stderr } = await runToEnd("env", [...command, scenario, ...options]);
    const records = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => /** @type {End | { end?: undefined, skip?: string }} */ (JSON.parse(line)));
    const [first] = records;
    if (code === EXIT_SKIPPED && first && "skip" in first) return { skip: first.skip ?? "" };
    if (code !== 0) return { failure: stderr.trim() || `exit ${code}` };
    return { ends: records.filter((record) => record.end !== undefined) };
  }
}
