// What the lens of processes costs a process that begins, runs a program and ends: kernel time of each of its programs,
// metered by the kernel, and tcptop's own processor time in a storm of them.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../scripts/lib.mjs";
import { show, sum, table } from "./numbers.mjs";
import { percentBetween, processorTime } from "./process-cost.mjs";
import { runTool, startTcptop, startTool } from "./processes.mjs";

/** Programs of bpf/processes/processes.h that run once in the life of such a process, and their hooks. */
const EVENTS = ["on_fork", "on_fork_again", "on_exec", "on_exec_again", "on_exit", "on_exit_again"];
const HOOKS = ["fork", "exec", "exit"].map((event) => `tp_btf/sched_process_${event}`);

/** @typedef {{ id: number, name: string, hook: string, run_cnt: number, run_time_ns: number }} Program */

/** @returns {Promise<Map<number, Program>>} */
async function readPrograms() {
  const lines = (await runTool("programs")).trim().split("\n");
  const programs = lines.map((line) => /** @type {Program} */ (JSON.parse(line)));
  return new Map(programs.map((program) => [program.id, program]));
}

/** @param {string} name */
const traffic = (name) => join(root, "build/cmake/traffic", name);

/**
 * Runs so many processes a second; how many there were, and how long that took.
 * @param {number} perSecond
 * @param {number} seconds
 * @returns {Promise<{ made: number, seconds: number }>}
 */
async function storm(perSecond, seconds) {
  const args = ["storm", String(perSecond), String(seconds), traffic("nothing")];
  const { stdout } = await promisify(execFile)(traffic("process-trees"), args);
  return JSON.parse(stdout);
}

/** @param {import("./main.mjs").Options} options */
export async function measureLifetimes({ backend, say, lifetimes: { perSecond, seconds } }) {
  say(`lifetimes, ${perSecond} processes a second`);
  const others = new Set((await readPrograms()).keys());
  const tcptop = await startTcptop(backend, "--processes");
  const empty = await startTool("empty", ...HOOKS);
  const before = await readPrograms();
  const from = processorTime(tcptop.pid);
  const { made, seconds: took } = await storm(perSecond, seconds);
  const to = processorTime(tcptop.pid);
  const after = await readPrograms();
  await empty.end();
  await tcptop.end();
  const programs = EVENTS.map((name) => {
    const ran = [...after.values()].filter((program) => program.name === name && !others.has(program.id));
    const calls = sum(ran.map(({ id, run_cnt }) => run_cnt - (before.get(id)?.run_cnt ?? 0)));
    const ns = sum(ran.map(({ id, run_time_ns }) => run_time_ns - (before.get(id)?.run_time_ns ?? 0)));
    return { name, calls, ns: calls === 0 ? null : ns / calls };
  });
  return {
    made,
    per_second: made / took,
    ns_a_process: sum(programs.map(({ ns }) => ns ?? 0)),
    programs,
    ...percentBetween(from, to),
  };
}

/** @param {Awaited<ReturnType<typeof measureLifetimes>>} result */
export function lifetimesTable({ made, per_second, ns_a_process, programs, user_percent, system_percent }) {
  return table(
    `Processes: ${show(made)} that begin, run a program and end, ${show(per_second)} a second; tcptop took ` +
      `${show(user_percent, 1)} % user and ${show(system_percent, 1)} % system`,
    ["program", "runs", "ns a run"],
    [
      ...programs.map(({ name, calls, ns }) => [name, show(calls), ns === null ? "" : show(ns)]),
      ["all, a process", "", show(ns_a_process)],
    ],
  );
}
