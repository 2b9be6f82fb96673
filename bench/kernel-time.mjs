// Kernel time of tcptop's programs per call, net of empty programs on the same hooks, metered by the kernel.
import { readdirSync } from "node:fs";
import { against, median, show, sum, table } from "./numbers.mjs";
import { readProc, runTool, startTcptop, startTool } from "./processes.mjs";

const MESSAGE_BYTES = 64;

/** Nanoseconds, all programs together, net of empty ones. */
const LIMIT_NS = 150;

/** The programs that a send or a receive runs, by their names in bpf/*.bpf.c. */
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

/** "send", "receive", or for what runs when a connection opens, changes or closes "other". */
function callOf({ name }) {
  return Object.keys(CALLS).find((call) => CALLS[call].includes(name)) ?? "other";
}

/** The ids of the BPF programs that a process has loaded or attached. */
function programIds(pid) {
  const ids = new Set();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const id = /^prog_id:\s*(\d+)$/m.exec(readProc(pid, `fdinfo/${fd}`) ?? "");
    if (id) ids.add(Number(id[1]));
  }
  return ids;
}

/** What the kernel has metered so far: a map of program id to program. */
async function readPrograms() {
  const lines = (await runTool("programs")).trim().split("\n");
  return new Map(lines.map((line) => JSON.parse(line)).map((program) => [program.id, program]));
}

const kindOf = (hook) => hook.split("/")[0];

/** Mean nanoseconds of the empty programs on this hook, or of its kind; null if none ran. */
function emptyNs(hook, empties) {
  for (const isAlike of [(other) => other === hook, (other) => kindOf(other) === kindOf(hook)]) {
    const alike = empties.filter((empty) => isAlike(empty.hook));
    const calls = sum(alike.map((empty) => empty.calls));
    if (calls > 0) return sum(alike.map((empty) => empty.ns)) / calls;
  }
  return null;
}

/** Calls and nanoseconds between two readings, of those programs that ran. */
function ranBetween(earlier, later, ids) {
  const programs = [];
  for (const id of ids) {
    const [from, to] = [earlier.get(id), later.get(id)];
    const calls = from && to ? to.run_cnt - from.run_cnt : 0;
    if (calls > 0)
      programs.push({ name: to.name, hook: to.hook, calls, ns: to.run_time_ns - from.run_time_ns });
  }
  return programs;
}

/** One run of the ping-pong: what each program took, and what that makes per send and receive. */
async function measureOnce(protocol, roundTrips, tcptopIds, emptyIds) {
  const before = await readPrograms();
  await runTool("pingpong", roundTrips, MESSAGE_BYTES, ...(protocol === "udp" ? ["udp"] : []));
  const after = await readPrograms();
  const empties = ranBetween(before, after, emptyIds);
  const programs = ranBetween(before, after, tcptopIds).map((program) => {
    const grossNs = program.ns / program.calls;
    const empty = emptyNs(program.hook, empties);
    return { ...program, grossNs, emptyNs: empty, netNs: empty === null ? null : grossNs - empty };
  });
  // Each round trip is two sends and two receives. An iterator runs for tcptop's own refresh.
  const perCall = (call) =>
    sum(
      programs
        .filter((program) => kindOf(program.hook) !== "iter" && callOf(program) === call)
        .map((program) => ((program.netNs ?? program.grossNs) * program.calls) / (2 * roundTrips)),
    );
  return { programs, sendNs: perCall("send"), receiveNs: perCall("receive"), otherNs: perCall("other") };
}

/** The medians over all runs, program by program. */
function summarise(protocol, runs) {
  const names = [...new Set(runs.flatMap(({ programs }) => programs.map(({ name }) => name)))];
  const programs = names.map((name) => {
    const each = runs.flatMap((run) => run.programs.filter((program) => program.name === name));
    const middle = (key) => {
      const values = each.map((program) => program[key]).filter((value) => value !== null);
      return values.length > 0 ? median(values) : null;
    };
    return {
      name,
      hook: each[0].hook,
      calls: middle("calls"),
      gross_ns: middle("grossNs"),
      empty_ns: middle("emptyNs"),
      net_ns: middle("netNs"),
    };
  });
  return {
    protocol,
    programs: programs.sort((a, b) => b.calls - a.calls),
    send_ns: median(runs.map((run) => run.sendNs)),
    receive_ns: median(runs.map((run) => run.receiveNs)),
    other_ns: median(runs.map((run) => run.otherNs)),
  };
}

/**
 * Runs tcptop and the empty programs together, and the ping-pong over TCP and UDP. All times are
 * nanoseconds, each the median of `repeats` runs.
 */
export async function measureKernelTime({ backend, roundTrips, repeats, say }) {
  const tcptop = await startTcptop(backend);
  const tcptopIds = programIds(tcptop.pid);
  const programs = await readPrograms();
  const hooks = new Set([...tcptopIds].map((id) => programs.get(id)?.hook).filter(Boolean));
  const empty = await startTool("empty", ...hooks);
  const emptyIds = programIds(empty.pid);
  const protocols = [];
  for (const protocol of ["tcp", "udp"]) {
    const runs = [];
    await measureOnce(protocol, Math.ceil(roundTrips / 10), tcptopIds, emptyIds);
    for (let run = 1; run <= repeats; run++) {
      say(`kernel time, ${protocol} ping-pong ${run} of ${repeats}`);
      runs.push(await measureOnce(protocol, roundTrips, tcptopIds, emptyIds));
    }
    protocols.push(summarise(protocol, runs));
  }
  await empty.end();
  await tcptop.end();
  return { round_trips: roundTrips, repeats, protocols };
}

function protocolTable({ round_trips, repeats }, { protocol, programs, ...all }) {
  const remark = (ns) => (protocol === "tcp" ? against(ns, LIMIT_NS, "ns") : "");
  return table(
    `Kernel time in ns, ${protocol} ping-pong, ${show(round_trips)} round trips of ${MESSAGE_BYTES} bytes, median of ${repeats}`,
    ["program", "calls", "per call", "empty", "net", "hook"],
    [
      ...programs.map(({ name, calls, gross_ns, empty_ns, net_ns, hook }) => [
        name,
        show(calls),
        show(gross_ns),
        show(empty_ns),
        show(net_ns),
        hook,
      ]),
      ["all for one send", show(2 * round_trips), "", "", show(all.send_ns), remark(all.send_ns)],
      ["all for one receive", show(2 * round_trips), "", "", show(all.receive_ns), remark(all.receive_ns)],
      ["others, per send", show(2 * round_trips), "", "", show(all.other_ns), ""],
    ],
  );
}

export function kernelTimeTable(result) {
  return result.protocols.map((protocol) => protocolTable(result, protocol)).join("\n");
}
