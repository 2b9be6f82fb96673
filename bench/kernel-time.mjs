// Kernel time of tcptop's programs per call, net of empty programs on the same hooks, metered by the kernel.
import { readdirSync } from "node:fs";
import { brokerOf } from "../scripts/lib.mjs";
import { against, median, show, sum, table } from "./numbers.mjs";
import { Ended, readProc, runTool, startTcptop, startTool } from "./processes.mjs";

const MESSAGE_BYTES = 64;

/** Nanoseconds a call of TCP, all programs together, net of empty ones. */
const LIMIT_NS = 150;

const BACKENDS = ["fentry", "kprobe", "tracepoint"];
const PROTOCOLS = /** @type {const} */ (["tcp", "udp"]);

/** @typedef {"send" | "receive"} Call */
/** @typedef {typeof PROTOCOLS[number]} Protocol */

/**
 * The programs that a send or a receive runs, by their names in bpf/flows/*.bpf.c.
 * @type {Record<Call, string[]>}
 */
const CALLS = {
  send: [
    "send_ended",
    "datagram_out",
    "sendmsg",
    "sendpage",
    "send_ipv4",
    "sent_ipv4",
    "send_ipv6",
    "sent_ipv6",
  ],
  receive: ["recv_ended", "datagram_in", "recvmsg", "cleanup_rbuf", "consume"],
};

/**
 * A program as the kernel meters it.
 * @typedef {{ id: number, name: string, hook: string, run_cnt: number, run_time_ns: number }} Program
 */

/**
 * A program in one run; `netNs` is null where no empty program ran beside it.
 * @typedef {{ name: string, hook: string, calls: number, grossNs: number, emptyNs: number | null, netNs: number | null }} Ran
 */

/** @typedef {{ programs: Ran[], send: number, receive: number, other: number }} Run */

/**
 * "send", "receive", or for what runs when a connection opens, changes or closes "other".
 * @param {string} name
 */
function callOf(name) {
  if (CALLS.send.includes(name)) return "send";
  return CALLS.receive.includes(name) ? "receive" : "other";
}

/**
 * The ids of the BPF programs that a process, or its broker, has loaded or attached.
 * @param {number} pid
 */
function programIds(pid) {
  const holder = brokerOf(pid) ?? pid;
  /** @type {Set<number>} */
  const ids = new Set();
  for (const fd of readdirSync(`/proc/${holder}/fdinfo`)) {
    const id = /^prog_id:\s*(\d+)$/m.exec(readProc(holder, `fdinfo/${fd}`) ?? "");
    if (id) ids.add(Number(id[1]));
  }
  return ids;
}

/**
 * What the kernel has metered so far, by the id of the program.
 * @returns {Promise<Map<number, Program>>}
 */
async function readPrograms() {
  const lines = (await runTool("programs")).trim().split("\n");
  const programs = lines.map((line) => /** @type {Program} */ (JSON.parse(line)));
  return new Map(programs.map((program) => [program.id, program]));
}

const kindOf = (/** @type {string} */ hook) => hook.split("/")[0];

/** @typedef {{ name: string, hook: string, calls: number, ns: number }} Metered */

/**
 * Mean nanoseconds of the empty programs on this hook, or of its kind; null if none ran.
 * @param {string} hook
 * @param {readonly Metered[]} empties
 */
function emptyNs(hook, empties) {
  for (const isAlike of [
    (/** @type {string} */ other) => other === hook,
    (/** @type {string} */ other) => kindOf(other) === kindOf(hook),
  ]) {
    const alike = empties.filter((empty) => isAlike(empty.hook));
    const calls = sum(alike.map((empty) => empty.calls));
    if (calls > 0) return sum(alike.map((empty) => empty.ns)) / calls;
  }
  return null;
}

/**
 * Calls and nanoseconds between two readings, of those programs that ran.
 * @param {ReadonlyMap<number, Program>} earlier
 * @param {ReadonlyMap<number, Program>} later
 * @param {ReadonlySet<number>} ids
 */
function ranBetween(earlier, later, ids) {
  /** @type {Metered[]} */
  const programs = [];
  for (const id of ids) {
    const [from, to] = [earlier.get(id), later.get(id)];
    if (from === undefined || to === undefined || to.run_cnt === from.run_cnt) continue;
    const { name, hook } = to;
    programs.push({ name, hook, calls: to.run_cnt - from.run_cnt, ns: to.run_time_ns - from.run_time_ns });
  }
  return programs;
}

/**
 * One run of the ping-pong: what each program took, and what that makes per send and receive.
 * @param {Protocol} protocol
 * @param {number} roundTrips
 * @param {ReadonlySet<number>} tcptopIds
 * @param {ReadonlySet<number>} emptyIds
 * @returns {Promise<Run>}
 */
async function measureOnce(protocol, roundTrips, tcptopIds, emptyIds) {
  const before = await readPrograms();
  await runTool("pingpong", roundTrips, MESSAGE_BYTES, ...(protocol === "udp" ? ["udp"] : []));
  const after = await readPrograms();
  const empties = ranBetween(before, after, emptyIds);
  const programs = ranBetween(before, after, tcptopIds).map(({ name, hook, calls, ns }) => {
    const grossNs = ns / calls;
    const empty = emptyNs(hook, empties);
    return { name, hook, calls, grossNs, emptyNs: empty, netNs: empty === null ? null : grossNs - empty };
  });
  // Each round trip is two sends and two receives. An iterator runs for tcptop's own refresh.
  const perCall = (/** @type {Call | "other"} */ call) =>
    sum(
      programs
        .filter(({ name, hook }) => kindOf(hook) !== "iter" && callOf(name) === call)
        .map(({ netNs, grossNs, calls }) => ((netNs ?? grossNs) * calls) / (2 * roundTrips)),
    );
  return { programs, send: perCall("send"), receive: perCall("receive"), other: perCall("other") };
}

/**
 * The medians over all runs, program by program.
 * @param {readonly Run[]} runs
 */
function summarisePrograms(runs) {
  const all = runs.flatMap(({ programs }) => programs);
  return [...new Set(all.map(({ name }) => name))]
    .map((name) => {
      const each = all.filter((program) => program.name === name);
      const middle = (/** @type {"calls" | "grossNs" | "emptyNs" | "netNs"} */ key) => {
        const values = each.map((program) => program[key]).filter((value) => value !== null);
        return values.length > 0 ? median(values) : null;
      };
      return {
        name,
        hook: each[0]?.hook ?? "",
        calls: middle("calls"),
        gross_ns: middle("grossNs"),
        empty_ns: middle("emptyNs"),
        net_ns: middle("netNs"),
      };
    })
    .sort((a, b) => (b.calls ?? 0) - (a.calls ?? 0));
}

/** @param {readonly number[]} values */
function spread(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * Nanoseconds a call, net of empty programs, over all repeats; and how UDP stands to TCP within each.
 * @param {Record<Protocol, Run[]>} runs
 */
function summariseCalls({ tcp, udp }) {
  /** @param {Call} call */
  const of = (call) => ({
    tcp_ns: spread(tcp.map((run) => run[call])),
    udp_ns: spread(udp.map((run) => run[call])),
    udp_to_tcp: spread(udp.map((run, i) => run[call] / (tcp[i]?.[call] ?? Number.NaN))),
  });
  return {
    send: of("send"),
    receive: of("receive"),
    other_ns: { tcp: median(tcp.map(({ other }) => other)), udp: median(udp.map(({ other }) => other)) },
  };
}

/**
 * Runs tcptop and the empty programs together, and the ping-pong over TCP and UDP in turn.
 * @param {string} backend
 * @param {import("./main.mjs").Options} options
 */
async function measureBackend(backend, { roundTrips, repeats, say }) {
  const tcptop = await startTcptop(backend);
  const tcptopIds = programIds(tcptop.pid);
  const programs = await readPrograms();
  const hooks = new Set(
    [...tcptopIds].map((id) => programs.get(id)?.hook).filter((hook) => hook !== undefined),
  );
  const empty = await startTool("empty", ...hooks);
  const emptyIds = programIds(empty.pid);
  /** @type {Record<Protocol, Run[]>} */
  const runs = { tcp: [], udp: [] };
  for (const protocol of PROTOCOLS)
    await measureOnce(protocol, Math.ceil(roundTrips / 10), tcptopIds, emptyIds);
  for (let run = 1; run <= repeats; run++) {
    say(`kernel time, ${backend}, ping-pong ${run} of ${repeats}`);
    for (const protocol of PROTOCOLS)
      runs[protocol].push(await measureOnce(protocol, roundTrips, tcptopIds, emptyIds));
  }
  await empty.end();
  await tcptop.end();
  return {
    backend,
    calls: summariseCalls(runs),
    programs: { tcp: summarisePrograms(runs.tcp), udp: summarisePrograms(runs.udp) },
  };
}

/** @typedef {Awaited<ReturnType<typeof measureBackend>>} Measured */
/** @typedef {{ round_trips: number, repeats: number, measured: Measured[], refused: { backend: string, error: string }[] }} KernelTime */

/**
 * Each backend that this kernel has, or the one that is asked for. All times are nanoseconds.
 * @param {import("./main.mjs").Options} options
 * @returns {Promise<KernelTime>}
 */
export async function measureKernelTime(options) {
  const { backend, roundTrips, repeats } = options;
  /** @type {KernelTime} */
  const result = { round_trips: roundTrips, repeats, measured: [], refused: [] };
  for (const name of backend === "auto" ? BACKENDS : [backend]) {
    try {
      result.measured.push(await measureBackend(name, options));
    } catch (error) {
      if (!(error instanceof Ended) || backend !== "auto") throw error;
      result.refused.push({ backend: name, error: error.message.split("\n")[0] ?? "" });
    }
  }
  if (result.measured.length === 0) throw new Error(result.refused.map(({ error }) => error).join("\n"));
  return result;
}

/**
 * @param {KernelTime} result
 * @param {Measured} measured
 */
function callsTable({ round_trips, repeats }, { backend, calls }) {
  const [send, receive] = [calls.send, calls.receive];
  /** @type {[string, ReturnType<typeof spread>, ReturnType<typeof spread> | null][]} */
  const rows = [
    ["TCP send", send.tcp_ns, null],
    ["TCP receive", receive.tcp_ns, null],
    ["UDP send", send.udp_ns, send.udp_to_tcp],
    ["UDP receive", receive.udp_ns, receive.udp_to_tcp],
  ];
  return table(
    `Kernel time of ${backend}, ns a call net of empty programs: ${show(round_trips)} round trips of ${MESSAGE_BYTES} bytes, ${repeats} times TCP and UDP in turn`,
    ["call", "median", "least", "most", "UDP to TCP", "least", "most", ""],
    rows.map(([name, ns, ratio]) => [
      name,
      ...[ns.median, ns.least, ns.most].map((value) => show(value)),
      ...(ratio === null
        ? ["", "", ""]
        : [ratio.median, ratio.least, ratio.most].map((value) => show(value, 2))),
      ratio === null ? against(ns.median, LIMIT_NS, "ns") : "",
    ]),
  );
}

/**
 * @param {Measured} measured
 * @param {Protocol} protocol
 */
function programsTable({ backend, calls, programs }, protocol) {
  return table(
    `The programs of ${backend} in the ${protocol.toUpperCase()} ping-pong, medians`,
    ["program", "calls", "ns a call", "empty", "net", "hook"],
    [
      ...programs[protocol].map(({ name, calls, gross_ns, empty_ns, net_ns, hook }) => [
        name,
        ...[calls, gross_ns, empty_ns, net_ns].map((value) => show(value)),
        hook,
      ]),
      ["others, per send", "", "", "", show(calls.other_ns[protocol]), ""],
    ],
  );
}

/** @param {KernelTime} result */
export function kernelTimeTable(result) {
  return [
    ...result.refused.map(({ backend, error }) => `Kernel time of ${backend}: not here: ${error}\n`),
    ...result.measured.flatMap((measured) => [
      callsTable(result, measured),
      ...PROTOCOLS.map((protocol) => programsTable(measured, protocol)),
    ]),
  ].join("\n");
}
