// Other tools beside tcptop, on the same traffic: what they print, in their own units.
import { output } from "../../scripts/lib.mjs";
import { Watched } from "./watched.mjs";

const ETHERNET_HEADER = 14;
/** How often a tool may refresh until it has to show everything. */
const REFRESHES_AFTER = 3;
const MORE_REFRESHES_AFTER = 6;

/** Runs a tool in the namespace with unbuffered lines. */
function insideArguments(network, command) {
  return ["netns", "exec", network.near, "stdbuf", "-oL", ...command];
}

function packageVersion(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax
  return output("dpkg-query", ["-W", "-f=${Version}", name]);
}

/** What all have in common: they print everything anew from time to time. */
class Peer {
  process;
  refreshes = 0;

  /** What comes from now on counts. */
  begin() {}

  /** Resolves to null when it measures, else to why it does not. */
  async ready(limitMs, condition) {
    if (await this.process.until(condition, limitMs)) return null;
    await this.process.stop();
    return this.process.errors.split("\n").find((line) => line !== "") ?? "it printed nothing";
  }

  /** Waits until it has had time to show what has happened so far. */
  async settle(limitMs, refreshes = REFRESHES_AFTER) {
    const seen = this.refreshes;
    await this.process.until(() => this.refreshes >= seen + refreshes, limitMs);
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
  #now = [];
  #shown = [];

  constructor(network, place) {
    super();
    const device = place === "loopback" ? ["-a", "lo"] : ["eth0"];
    const command = ["nethogs", "-t", "-b", "-C", "-v", "2", "-d", "1", ...device];
    this.process = new Watched("ip", insideArguments(network, command), (line) => this.#take(line));
  }

  ready(limitMs) {
    return super.ready(limitMs, () => this.refreshes >= 1);
  }

  /** It takes in only some of what waits at each of its refreshes. */
  settle(limitMs) {
    return super.settle(limitMs, MORE_REFRESHES_AFTER);
  }

  #take(line) {
    if (line === "Refreshing:") {
      this.#shown = this.#now;
      this.#now = [];
      this.refreshes++;
      return;
    }
    const found = /^(.*)\/(\d+)\/\d+\t(\S+)\t(\S+)$/.exec(line);
    if (found) this.#now.push({ pid: Number(found[2]), out: Number(found[3]), in: Number(found[4]) });
  }

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

  static ownUnit({ wireBytes, packets }) {
    return wireBytes + ETHERNET_HEADER * packets;
  }
}

const IFTOP_UNITS = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** iftop: bytes by flow since it started, with IP and TCP headers, from packets; three digits. */
class Iftop extends Peer {
  static title = "iftop";
  static debian = "iftop";
  static unit = "bytes of IP packets, by flow, to three digits";
  #now = [];
  #shown = [];
  #listening = false;
  #half = null;

  constructor(network, place) {
    super();
    const device = place === "loopback" ? "lo" : "eth0";
    const command = ["iftop", "-t", "-i", device, "-n", "-N", "-P", "-B", "-L", "100000"];
    this.process = new Watched("ip", insideArguments(network, command), (line) => this.#take(line));
  }

  ready(limitMs) {
    return super.ready(limitMs, () => this.#listening || this.process.errors.includes("Listening on"));
  }

  #take(line) {
    if (line.startsWith("Listening on")) this.#listening = true;
    if (line.startsWith("====")) {
      this.#shown = this.#now;
      this.#now = [];
      this.refreshes++;
      return;
    }
    const found = /^\s+\d*\s+(\S+):(\d+)\s+(=>|<=)(?:\s+\S+){3}\s+([\d.]+)([KMG]?B)$/.exec(line);
    if (!found) return;
    const [, , port, arrow, number, unit] = found;
    const bytes = Number(number) * IFTOP_UNITS[unit];
    if (arrow === "=>") this.#half = { aPort: Number(port), fromA: bytes };
    else if (this.#half) {
      this.#now.push({ ...this.#half, bPort: Number(port), fromB: bytes });
      this.#half = null;
    }
  }

  score(nearEnds) {
    const total = { seen: 0, in: 0, out: 0 };
    for (const { local_port: local, remote_port: remote } of nearEnds) {
      const row = this.#shown.find((one) => one.aPort === local && one.bPort === remote);
      const mirrored = this.#shown.find((one) => one.aPort === remote && one.bPort === local);
      if (!row && !mirrored) continue;
      total.seen++;
      total.out += row ? row.fromA : mirrored.fromB;
      total.in += row ? row.fromB : mirrored.fromA;
    }
    return { of: "flows", expected: nearEnds.length, owned: null, ...total };
  }

  static ownUnit({ wireBytes }) {
    return wireBytes;
  }
}

/** What both of bcc's tools print: payload by flow and process since the last refresh, from kprobes. */
class BccTool extends Peer {
  static unit = "kB of 1024 bytes of payload, by flow, cut off at each refresh; TCP only";
  static onlyTcp = true;
  /** It is compiled or loaded slowly, and is started once for all traffic. */
  static lasting = true;
  #rows = [];

  constructor(command) {
    super();
    this.process = new Watched("stdbuf", ["-oL", ...command], (line) => this.#take(line));
  }

  ready(limitMs) {
    return super.ready(limitMs, () => this.refreshes >= 1);
  }

  /** Forgets what was before. */
  begin() {
    this.#rows = [];
  }

  #take(line) {
    if (line === "") this.refreshes++;
    const found = /^(\d+)\s.*\s(\S+):(\d+)\s+(\S+):(\d+)\s+(\d+)\s+(\d+)$/.exec(line);
    if (!found) return;
    const [pid, localPort, remotePort, inKb, outKb] = [1, 3, 5, 6, 7].map((i) => Number(found[i]));
    this.#rows.push({ pid, localPort, remotePort, in: inKb * 1024, out: outKb * 1024 });
  }

  score(nearEnds) {
    const isOf = (row, end) => row.localPort === end.local_port && row.remotePort === end.remote_port;
    const rowsOf = (end) => this.#rows.filter((row) => isOf(row, end));
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

const PEERS = [Nethogs, Iftop, LibbpfTcptop, BpfccTcptop];

/** The tools to measure beside tcptop: `{ Peer, missing }`; `missing` says why one cannot be measured. */
export function knownPeers() {
  return PEERS.map((Peer) => {
    const version = packageVersion(Peer.debian);
    return {
      Peer,
      version,
      missing: version === "" ? `Debian's package ${Peer.debian} is not installed` : null,
    };
  });
}
