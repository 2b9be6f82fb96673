// One scenario after the other: tcptop, nftables and the other tools on the same traffic.
import { setTimeout } from "node:timers/promises";
import { trafficArguments } from "./scenarios.mjs";

const POLL_MS = 100;
const POLLS = 50;

/** @typedef {import("./network.mjs").Network} Network */
/** @typedef {import("./network.mjs").Counts} Counts */
/** @typedef {import("./network.mjs").Count} Count */
/** @typedef {import("./network.mjs").End} End */
/** @typedef {import("./peers.mjs").KnownPeer} KnownPeer */
/** @typedef {import("./scenarios.mjs").Place} Place */
/** @typedef {{ Peer: KnownPeer["Peer"], peer: ReturnType<KnownPeer["start"]> }} Running */

/**
 * What nftables has more than the programs, in one direction.
 * @typedef {{ bytes: number, datagrams: number }} Excess
 */

/**
 * A tool beside tcptop; `in` and `out` in per cent too much, null where nothing was expected.
 * @typedef {Omit<import("./peers.mjs").Shown, "in" | "out"> & { in: number | null, out: number | null }} PeerScore
 */

/**
 * One scenario; `skip` and `failure` say why there is no more.
 * @typedef {object} ScenarioScore
 * @property {string} title
 * @property {string} traffic
 * @property {Record<string, number>} args
 * @property {Place} place
 * @property {string} [skip]
 * @property {string} [failure]
 * @property {import("./tcptop.mjs").TcptopScore} [tcptop]
 * @property {Excess[]} [nftables]
 * @property {number} [retransmitted]
 * @property {Record<string, PeerScore>} [peers] by their titles
 */

/**
 * @param {readonly End[]} ends
 * @param {"bytes_in" | "bytes_out" | "packets_in" | "packets_out"} field
 */
const sum = (ends, field) => ends.reduce((total, end) => total + (end[field] ?? 0), 0);

/**
 * nftables against the programs, in one direction: what it has too much, in payload and in datagrams.
 * @param {Counts} count
 * @param {number} bytes
 * @param {number} datagrams
 * @returns {Excess}
 */
function excess(count, bytes, datagrams) {
  return {
    bytes: count.tcp.payloadBytes + count.udp.payloadBytes - bytes,
    datagrams: count.udp.packets - datagrams,
  };
}

/**
 * `far` counts what the near ends sent and received; on loopback every packet comes in once.
 * @param {Network} network
 * @param {readonly End[]} ends
 * @param {readonly End[]} nearEnds
 * @param {Place | undefined} place
 */
async function compareNftables(network, ends, nearEnds, place) {
  if (place === "loopback") {
    const { input } = await network.counted(network.near);
    return [excess(input, sum(ends, "bytes_out"), sum(ends, "packets_out"))];
  }
  const { input, output } = await network.counted(network.far);
  return [
    excess(input, sum(nearEnds, "bytes_out"), sum(nearEnds, "packets_out")),
    excess(output, sum(nearEnds, "bytes_in"), sum(nearEnds, "packets_in")),
  ];
}

/** @param {readonly Excess[]} directions */
function isSettled(directions) {
  return directions.every(({ bytes, datagrams }) => bytes >= 0 && datagrams >= 0);
}

/**
 * The last packets may still be on their way when the programs have ended.
 * @param {Parameters<typeof compareNftables>} args
 */
async function settledNftables(...args) {
  let directions = await compareNftables(...args);
  for (let i = 0; i < POLLS && !isSettled(directions); i++) {
    await setTimeout(POLL_MS);
    directions = await compareNftables(...args);
  }
  return directions;
}

/**
 * @param {number} shown
 * @param {number} expected
 */
function percent(shown, expected) {
  return expected === 0 ? (shown === 0 ? 0 : null) : (100 * (shown - expected)) / expected;
}

/**
 * What a tool showed against what it says it counts, as nftables saw it pass the near side.
 * @param {Running} running
 * @param {Network} network
 * @param {readonly End[]} nearEnds
 * @returns {Promise<PeerScore>}
 */
async function scorePeer({ Peer, peer }, network, nearEnds) {
  const { in: shownIn, out: shownOut, ...counts } = peer.score(nearEnds);
  const { input, output } = await network.counted(network.near);
  const own = (/** @type {Counts} */ count) => Peer.ownUnit(count.tcp) + Peer.ownUnit(count.udp);
  return { ...counts, in: percent(shownIn, own(input)), out: percent(shownOut, own(output)) };
}

/**
 * Starts the tools that can be measured here, unless they run; notes why another cannot.
 * @param {readonly KnownPeer[]} peers
 * @param {Network} network
 * @param {import("./scenarios.mjs").Scenario} scenario
 * @param {number} limitMs
 */
async function startPeers(peers, network, scenario, limitMs) {
  /** @type {Running[]} */
  const running = [];
  for (const known of peers) {
    const { Peer } = known;
    if (known.missing || (Peer.onlyTcp && scenario.traffic.startsWith("udp"))) continue;
    const peer = known.lasting ?? known.start(network, scenario.place);
    if (!known.lasting) known.missing = await peer.ready(limitMs);
    if (known.missing) continue;
    if (Peer.lasting) known.lasting = peer;
    peer.begin();
    running.push({ Peer, peer });
  }
  return running;
}

/**
 * Runs one scenario. `tcptop` is running; `peers` are those of knownPeers().
 * @param {import("./scenarios.mjs").Scenario} scenario
 * @param {object} options
 * @param {import("./tcptop.mjs").Tcptop} options.tcptop
 * @param {readonly KnownPeer[]} options.peers
 * @param {Network} options.network
 * @param {number} options.scale
 * @param {number} options.limitMs
 * @param {boolean} options.nftables
 * @returns {Promise<ScenarioScore>}
 */
export async function scoreScenario(scenario, { tcptop, peers, network, scale, limitMs, nftables }) {
  const args = trafficArguments(scenario, scale);
  /** @type {ScenarioScore} */
  const result = { title: scenario.title, traffic: scenario.traffic, args, place: scenario.place ?? "link" };
  const running = await startPeers(nftables ? peers : [], network, scenario, limitMs);
  try {
    if (nftables) await network.resetCounters();
    const repeatedBefore = await network.retransmitted();
    const traffic = await network.traffic(scenario.traffic, args, scenario.place, limitMs / 1000);
    if (!("ends" in traffic)) return { ...result, ...traffic };
    const { ends } = traffic;
    result.tcptop = await tcptop.score(ends, limitMs);
    const nearEnds = scenario.place === "loopback" ? ends : ends.filter((end) => end.end === "client");
    if (nftables) result.nftables = await settledNftables(network, ends, nearEnds, scenario.place);
    result.retransmitted = (await network.retransmitted()) - repeatedBefore;
    /** @type {Record<string, PeerScore>} */
    const scores = {};
    const stirring = running.length > 0 ? network.stir(scenario.place) : null;
    await Promise.all(running.map(({ peer }) => peer.settle(limitMs)));
    await stirring?.stop();
    for (const one of running) scores[one.Peer.title] = await scorePeer(one, network, nearEnds);
    return { ...result, peers: scores };
  } finally {
    for (const { Peer, peer } of running) if (!Peer.lasting) await peer.stop();
  }
}
