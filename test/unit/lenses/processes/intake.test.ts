import { expect, test } from "vitest";
import { ProcessIntake } from "../../../../src/lenses/processes/intake.ts";
import type { Snapshot } from "../../../../src/lenses/processes/snapshot.ts";
import type { ProcessSource } from "../../../../src/lenses/processes/source.ts";
import { processRecord } from "../../../support/processes.ts";

/** A capture of which the test says what waits; losses make it walk over all processes. */
function capture() {
  const state = { ring: [] as Buffer[], walks: [] as boolean[], execsLost: 0, nowNs: 1e6 };
  const source: ProcessSource = {
    backend: null,
    stepDowns: [],
    facts: {},
    seed: () => Promise.resolve(new Uint8Array()),
    readArguments: () => null,
    drain: (take) => take(Buffer.concat(state.ring.splice(0))),
    walk: (_, all) => state.walks.push(all),
    losses: () => ({
      forksLost: 0,
      execsLost: state.execsLost,
      exitsLost: 0,
      filesLost: 0,
      cgroupsDeferred: 0,
    }),
    close: () => {},
  };
  const clock = { monotonicNs: () => state.nowNs, wallMs: () => 0 };
  const intake = new ProcessIntake(source, null, clock, 0);
  const refresh = (timeMs: number, ...records: Buffer[]) => {
    state.nowNs = timeMs * 1e6;
    state.ring.push(...records);
    intake.collect();
    const { events } = intake.refresh({ nowNs: state.nowNs, wallMs: 0 }) as Snapshot;
    return events.map(({ event, process: { pid, exitCode } }) => [event, pid, exitCode]);
  };
  return { state, refresh };
}

const fork = (pid: number, timeMs: number) => processRecord({ kind: "fork", pid, timeMs });
const exit = (pid: number, timeMs: number) => processRecord({ kind: "exit", pid, timeMs, status: 3 << 8 });

test("a process that ends while all are walked over has its own end, one that nobody meets ends without status", () => {
  const { state, refresh } = capture();
  expect(refresh(10, fork(20, 5), fork(21, 5))).toEqual([
    ["fork", 20, null],
    ["fork", 21, null],
  ]);
  state.execsLost = 1;
  expect(refresh(20)).toEqual([]);
  expect(refresh(30, exit(20, 21))).toEqual([
    ["exit", 20, 3],
    ["exit", 21, null],
  ]);
  expect(refresh(40)).toEqual([]);
  expect(state.walks).toEqual([false, true, false, false]);
});
