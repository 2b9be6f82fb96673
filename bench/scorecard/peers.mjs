// Other tools beside tcptop, on the same traffic: what they print, in their own units.
import { output } from "../../scripts/lib.mjs";
import { Watched } from "./watched.mjs";

const ETHERNET_HEADER = 14;
const REFRESHES_AFTER = 3;
const MORE_REFRESHES_AFTER = 6;

/** @typedef {import("./network.mjs").Network} Network */
/** @typedef {import("./network.mjs").End} End */
/** @typedef {import("./network.mjs").Count} Count */
/** @typedef {import("./scenarios.mjs").Place} Place */

/**
 * What a tool showed of the near ends, in bytes of its own unit.
 * @typedef {object} Shown
 * @property {"processes" | "flows"} of
 * @property {number} expected
 * @property {number} seen
 * @property {number | null} owned null: the tool names no process
 * @property {number} in
 * @property {number} out
 */

/**
 * A tool that can be started, and how it is told of.
 * @typedef {object} PeerClass
 * @property {string} title
 * @property {string} debian
 * @property {string} unit
 * @property {boolean} onlyTcp
 * @property {boolean} lasting
 * @property {(count: Count) => number} ownUnit
 */

/**
 * `missing` says why a tool cannot be measured; `lasting` is one that runs for all traffic.
 * @typedef {object} KnownPeer
 * @property {PeerClass} Peer
 * @property {(network: Network, place: Place | undefined) => Peer} start
 * @property {string} version
 * @property {string | null} missing
 * @property {Peer | null} lasting
 */

/**
 * Runs a tool in the namespace with unbuffered lines.
 * @param {Network} network
 * @param {readonly string[]} command
 */
function insideArguments(network, command) {
  return ["netns", "exec", network.near, "stdbuf", "-oL", ...command];
}

/** @param {string} name */
function packageVersion(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax
  return output("dpkg-query", ["-W", "-f=${Version}", name]);
}

/** What all have in common: they print everything anew from time to time. */
class Peer {
  static onlyTcp = false;
  static lasting = false;
  refreshes = 0;
  /** How often it may refresh until it has to show everything. */
  refreshesAfter = REFRESHES_AFTER;

  /**
   * @param {string} command
   * @param {readonly string[]} args
   */
  constructor(command, args) {
    this.process = new Watched(command, args, (line) => this.take(line));
  }

  /**
   * Takes a line of its output.
   * @param {string} _line
   */
  take(_line) {}

  /**
   * What it has shown since the traffic began.
   * @param {readonly End[]} nearEnds
   * @returns {Shown}
   */
  score(nearEnds) {
    return { of: "flows", expected: nearEnds.length, seen: 0, owned: null, in: 0, out: 0 };
  }

  /** What comes from now on counts. */
  begin() {}

  /** Whether it measures. */
  isReady() {
    return this.refreshes >= 1;
  }

  /**
   * Resolves to null when it measures, else to why it does not.
   * @param {number} limitMs
   */
  async ready(limitMs) {
    if (await this.process.until(() => this.isReady(), limitMs)) return null;
    await this.process.stop();
    return this.process.errors.split("\n").find((line) => line !== "") ?? "it printed nothing";
  }

  /**
   * Waits until it has had time to show what has happened so far.
   * @param {number} limitMs
   */
  async settle(limitMs) {
    const seen = this.refreshes;
    await this.process.until(() => this.refreshes >= seen + this.refreshesAfter, limitMs);
  }

  stop() {
    return this.process.stop();
  }
}

/** nethogs: bytes by process since it started, with all headers, from packets; %g prints six digits. */
class Nethogs extends Peer {
  static title = "nethogs";
  static debian = "nethogs";
  static unit = "bytes of Ethernet frames, by process";
  /**
   * It takes in only some of what waits at each of its refreshes.
   * @override
   */
  refreshesAfter = MORE_REFRESHES_AFTER;
  /** @type {{ pid: number, in: number, out: number }[]} */
  #now = [];
  /** @type {{ pid: number, in: number, out: number }[]} */
  #shown = [];

  /**
   * @param {Network} network
   * @param {Place | undefined} place
   */
  constructor(network, place) {
    const device = place === "loopback" ? ["-a", "lo"] : ["eth0"];
    const command = ["nethogs", "-t", "-b", "-C", "-v", "2", "-d", "1", ...device];
    super("ip", insideArguments(network, command));
  }

  /**
   * @override
   * @param {string} line
   */
  take(line) {
    if (line === "Refreshing:") {
      this.#shown = this.#now;
      this.#now = [];
      this.refreshes++;
      return;
    }
    const found = /^(.*)\/(\d+)\/\d+\t(\S+)\t(\S+)$/.exec(line);
    if (found) this.#now.push({ pid: Number(found[2]), out: Number(found[3]), in: Number(found[4]) });
  }

  /**
   * @override
   * @param {readonly End[]} nearEnds
   * @returns {Shown}
   */
  score(nearEnds) {
    const processes = new Set(nearEnds.map((end) => end.pid));
    const named = [...processes].filter((pid) =>
      this.#shown.some((row) => row.pid === pid && row.in + row.out > 0),
    );
    return {
      of: "processes",
      expected: processes.size,
      seen: named.length,
      owned: named.length,
      in: this.#shown.reduce((total, row) => total + row.in, 0),
      out: this.#shown.reduce((total, row) => total + row.out, 0),
    };
  }

  /** @param {Count} count */
  static ownUnit({ wireBytes, packets }) {
    return wireBytes + ETHERNET_HEADER * packets;
  }
}

/** @type {Record<string, number>} */
const IFTOP_UNITS = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** @typedef {{ aPort: number, bPort: number, fromA: number, fromB: number }} IftopRow */

/** iftop: bytes by flow since it started, with IP and TCP headers, from packets; three digits. */
class Iftop extends Peer {
  static title = "iftop";
  static debian = "iftop";
  static unit = "bytes of IP packets, by flow, to three digits";
  /** @type {IftopRow[]} */
  #now = [];
  /** @type {IftopRow[]} */
  #shown = [];
  #listening = false;
  /** @type {{ aPort: number, fromA: number } | null} */
  #half = null;

  /**
   * @param {Network} network
   * @param {Place | undefined} place
   */
  constructor(network, place) {
    const device = place === "loopback" ? "lo" : "eth0";
    const command = ["iftop", "-t", "-i", device, "-n", "-N", "-P", "-B", "-L", "100000"];
    super("ip", insideArguments(network, command));
  }

  /** @override */
  isReady() {
    return this.#listening || this.process.errors.includes("Listening on");
  }

  /**
   * @override
   * @param {string} line
   */
  take(line) {
    if (line.startsWith("Listening on")) this.#listening = true;
    if (line.startsWith("====")) {
      this.#shown = this.#now;
      this.#now = [];
      this.refreshes++;
      return;
    }
    const found = /^\s+\d*\s+(\S+):(\d+)\s+(=>|<=)(?:\s+\S+){3}\s+([\d.]+)([KMG]?B)$/.exec(line);
    if (!found) return;
    const [, , port, arrow, number, unit = ""] = found;
    const bytes = Number(number) * (IFTOP_UNITS[unit] ?? Number.NaN);
    if (arrow === "=>") this.#half = { aPort: Number(port), fromA: bytes };
    else if (this.#half) {
      this.#now.push({ ...this.#half, bPort: Number(port), fromB: bytes });
      this.#half = null;
    }
  }

  /**
   * @override
   * @param {readonly End[]} nearEnds
   * @returns {Shown}
   */
  score(nearEnds) {
    const total = { seen: 0, in: 0, out: 0 };
    for (const { local_port: local, remote_port: remote } of nearEnds) {
      const row = this.#shown.find((one) => one.aPort === local && one.bPort === remote);
      const mirrored = this.#shown.find((one) => one.aPort === remote && one.bPort === local);
      if (!row && !mirrored) continue;
      total.seen++;
      total.out += row?.fromA ?? mirrored?.fromB ?? 0;
      total.in += row?.fromB ?? mirrored?.fromA ?? 0;
    }
    return { of: "flows", expected: nearEnds.length, owned: null, ...total };
  }

  /** @param {Count} count */
  static ownUnit({ wireBytes }) {
    return wireBytes;
  }
}

/** What both of bcc's tools print: payload by flow and process since the last refresh, from kprobes. */
class BccTool extends Peer {
  static unit = "kB of 1024 bytes of payload, by flow, cut off at each refresh; TCP only";
  /** @override */
  static onlyTcp = true;
  /**
   * It is compiled or loaded slowly, and is started once for all traffic.
   * @override
   */
  static lasting = true;
  /** @type {{ pid: number, localPort: number, remotePort: number, in: number, out: number }[]} */
  #rows = [];

  /** @param {readonly string[]} command */
  constructor(command) {
    super("stdbuf", ["-oL", ...command]);
  }

  /**
   * Forgets what was before.
   * @override
   */
  begin() {
    this.#rows = [];
  }

  /**
   * @override
   * @param {string} line
   */
  take(line) {
    if (line === "") this.refreshes++;
    const found = /^(\d+)\s.*\s(\S+):(\d+)\s+(\S+):(\d+)\s+(\d+)\s+(\d+)$/.exec(line);
    if (!found) return;
    const field = (/** @type {number} */ i) => Number(found[i]);
    const [localPort, remotePort] = [field(3), field(5)];
    this.#rows.push({ pid: field(1), localPort, remotePort, in: field(6) * 1024, out: field(7) * 1024 });
  }

  /**
   * @override
   * @param {readonly End[]} nearEnds
   * @returns {Shown}
   */
  score(nearEnds) {
    const rowsOf = (/** @type {End} */ { local_port, remote_port }) =>
      this.#rows.filter((row) => row.localPort === local_port && row.remotePort === remote_port);
    const ours = nearEnds.flatMap(rowsOf);
    return {
      of: "flows",
      expected: nearEnds.length,
      seen: nearEnds.filter((end) => rowsOf(end).length > 0).length,
      owned: nearEnds.filter((end) => rowsOf(end).some((row) => row.pid === end.pid)).length,
      in: ours.reduce((total, row) => total + row.in, 0),
      out: ours.reduce((total, row) => total + row.out, 0),
    };
  }

  /** @param {Count} count */
  static ownUnit({ payloadBytes }) {
    return payloadBytes;
  }
}

class LibbpfTcptop extends BccTool {
  static title = "tcptop of libbpf-tools";
  static debian = "libbpf-tools";

  constructor() {
    super(["/usr/sbin/tcptop", "-C", "-S", "-r", "10000", "1"]);
  }
}

class BpfccTcptop extends BccTool {
  static title = "tcptop-bpfcc";
  static debian = "bpfcc-tools";

  constructor() {
    super(["env", "PYTHONUNBUFFERED=1", "/usr/sbin/tcptop-bpfcc", "-C", "-S", "1"]);
  }
}

/** @type {Pick<KnownPeer, "Peer" | "start">[]} */
const PEERS = [
  { Peer: Nethogs, start: (network, place) => new Nethogs(network, place) },
  { Peer: Iftop, start: (network, place) => new Iftop(network, place) },
  { Peer: LibbpfTcptop, start: () => new LibbpfTcptop() },
  { Peer: BpfccTcptop, start: () => new BpfccTcptop() },
];

/**
 * The tools to measure beside tcptop.
 * @returns {KnownPeer[]}
 */
export function knownPeers() {
  return PEERS.map(({ Peer, start }) => {
    const version = packageVersion(Peer.debian);
    const missing = version === "" ? `Debian's package ${Peer.debian} is not installed` : null;
    return { Peer, start, version, missing, lasting: null };
  });
}
