// One scenario after the other: tcptop, nftables and the other tools on the same traffic.
import { setTimeout } from "node:timers/promises";
import { trafficArguments } from "./scenarios.mjs";

const POLL_MS = 100;
const POLLS = 50;

const sum = (rows, field) => rows.reduce((total, row) => total + (row[field] ?? 0), 0);

/** nftables against the programs, in one direction: what it has too much, in payload and in datagrams. */
function excess(count, bytes, datagrams) {
  return {
    bytes: count.tcp.payloadBytes + count.udp.payloadBytes - bytes,
    datagrams: count.udp.packets - datagrams,
  };
}

/** `far` counts what the near ends sent and received; on loopback every packet comes in once. */
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

function isSettled(directions) {
  return directions.every(({ bytes, datagrams }) => bytes >= 0 && datagrams >= 0);
}

/** The last packets may still be on their way when the programs have ended. */
async function settledNftables(...args) {
  let directions = await compareNftables(...args);
  for (let i = 0; i < POLLS && !isSettled(directions); i++) {
    await setTimeout(POLL_MS);
    directions = await compareNftables(...args);
  }
  return directions;
}

function percent(shown, expected) {
  return expected === 0 ? (shown === 0 ? 0 : null) : (100 * (shown - expected)) / expected;
}

/** What a tool showed against what it says it counts, as nftables saw it pass the near side. */
async function scorePeer(Peer, peer, network, nearEnds) {
  const { in: shownIn, out: shownOut, ...counts } = peer.score(nearEnds);
  const { input, output } = await network.counted(network.near);
  const own = (count) => Peer.ownUnit(count.tcp) + Peer.ownUnit(count.udp);
  return { ...counts, in: percent(shownIn, own(input)), out: percent(shownOut, own(output)) };
}

/** Starts the tools that can be measured here, unless they run; notes why another cannot. */
async function startPeers(peers, network, scenario, limitMs) {
  const running = [];
  for (const known of peers) {
    const { Peer } = known;
    if (known.missing || (Peer.onlyTcp && scenario.traffic.startsWith("udp"))) continue;
    const peer = known.lasting ?? new Peer(network, scenario.place);
    if (!known.lasting) known.missing = await peer.ready(limitMs);
    if (known.missing) continue;
    if (Peer.lasting) known.lasting = peer;
    peer.begin();
    running.push({ Peer, peer });
  }
  return running;
}

/** Runs one scenario. `tcptop` is running; `peers` are those of knownPeers(). */
export async function scoreScenario(scenario, { tcptop, peers, network, scale, limitMs, nftables }) {
  const args = trafficArguments(scenario, scale);
  const result = { title: scenario.title, traffic: scenario.traffic, args, place: scenario.place ?? "link" };
  const running = await startPeers(nftables ? peers : [], network, scenario, limitMs);
  try {
    if (nftables) await network.resetCounters();
    const repeatedBefore = await network.retransmitted();
    const { ends, skip, failure } = await network.traffic(
      scenario.traffic,
      args,
      scenario.place,
      limitMs / 1000,
    );
    if (!ends) return { ...result, skip, failure };
    result.tcptop = await tcptop.score(ends, limitMs);
    const nearEnds = scenario.place === "loopback" ? ends : ends.filter((end) => end.end === "client");
    if (nftables) result.nftables = await settledNftables(network, ends, nearEnds, scenario.place);
    result.retransmitted = (await network.retransmitted()) - repeatedBefore;
    result.peers = {};
    const stirring = running.length > 0 ? network.stir(scenario.place) : null;
    await Promise.all(running.map(({ peer }) => peer.settle(limitMs)));
    await stirring?.stop();
    for (const { Peer, peer } of running) {
      result.peers[Peer.title] = await scorePeer(Peer, peer, network, nearEnds);
    }
    return result;
  } finally {
    for (const { Peer, peer } of running) if (!Peer.lasting) await peer.stop();
  }
}
