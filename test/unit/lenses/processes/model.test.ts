import { describe, expect, test } from "vitest";
import { NO_LOSSES } from "../../../../src/lenses/processes/losses.ts";
import { ProcessModel } from "../../../../src/lenses/processes/model.ts";
import { Flag } from "../../../../src/lenses/processes/record.ts";
import type { Snapshot } from "../../../../src/lenses/processes/snapshot.ts";
import { cgroupRecord, fileRecord, type ProcessFields, processRecord } from "../../../support/processes.ts";

const NS_PER_MS = 1e6;

class Bench {
  readonly model: ProcessModel;

  constructor(mostEnded?: number) {
    this.model = new ProcessModel({ startNs: 0, ...(mostEnded === undefined ? {} : { mostEnded }) });
  }

  take(...records: (ProcessFields | Buffer)[]): this {
    const bytes = records.map((record) => (Buffer.isBuffer(record) ? record : processRecord(record)));
    this.model.apply({ kind: "records", bytes: Buffer.concat(bytes) });
    return this;
  }

  refresh(timeMs: number): Snapshot {
    return this.model.refresh(timeMs * NS_PER_MS, NO_LOSSES);
  }
}

/** An older process that a walk has found. */
const found = (pid: number, ppid: number, name: string): ProcessFields => ({
  kind: "found",
  pid,
  ppid,
  name,
  timeMs: 1,
  ageMs: 1000,
});
const fork = (pid: number, ppid: number, timeMs: number, name = "bash"): ProcessFields => ({
  kind: "fork",
  pid,
  ppid,
  timeMs,
  name,
});
const exec = (pid: number, ppid: number, timeMs: number, ...words: [string, ...string[]]): ProcessFields => ({
  kind: "exec",
  pid,
  ppid,
  timeMs,
  name: words[0],
  words,
  executable: `/usr/bin/${words[0]}`,
  directory: "/home/me",
});
const exit = (pid: number, ppid: number, timeMs: number, status = 0): ProcessFields => ({
  kind: "exit",
  pid,
  ppid,
  timeMs,
  status,
  name: `p${pid}`,
  memoryBytes: 4096n,
});

const told = ({ events }: Snapshot) => events.map(({ event, process: { pid } }) => [event, pid]);
const ancestry = (snapshot: Snapshot, pid: number) =>
  snapshot.find({ pid, startNs: pid * NS_PER_MS })?.ancestry.map(({ name }) => name);

describe("the life of a process", () => {
  test("is told in order, with what it ran and how it ended", () => {
    const bench = new Bench();
    bench.take(found(10, 1, "bash"), fork(20, 10, 5), exec(20, 10, 6, "curl", "-s", "http://x/a b"));
    bench.take({ ...exit(20, 10, 9, 3 << 8), name: "curl", ageMs: 4, runtimeMs: 2 });
    const snapshot = bench.refresh(1000);
    expect(told(snapshot)).toEqual([
      ["fork", 20],
      ["exec", 20],
      ["exit", 20],
    ]);
    const last = snapshot.events.at(-1)?.process;
    expect(last).toMatchObject({
      pid: 20,
      ppid: 10,
      name: "curl",
      executable: "/usr/bin/curl",
      arguments: ["curl", "-s", "http://x/a b"],
      directory: "/home/me",
      exitCode: 3,
      exitSignal: null,
      durationNs: 4e6,
      cpuNs: 2e6,
      mostMemoryBytes: 4096,
      phase: { kind: "ended", endedNs: 9e6 },
      isExisting: false,
    });
  });

  test.each([
    ["a signal", 9, null, 9],
    ["a signal, with a core dump", 11 | 0x80, null, 11],
    ["a code", 255 << 8, 255, null],
  ])("ends by %s", (_, status, code, signal) => {
    const { events } = new Bench().take(fork(20, 10, 1), exit(20, 10, 2, status)).refresh(10);
    expect(events.at(-1)?.process).toMatchObject({ exitCode: code, exitSignal: signal });
  });

  test("is the same whatever order its records come in, and however often", () => {
    const records = [fork(20, 10, 5), exec(20, 10, 6, "make"), exit(20, 10, 9, 256)];
    const orders = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [0, 0, 1, 1, 2, 2],
      [2, 0, 2, 1, 0],
    ];
    for (const order of orders) {
      const bench = new Bench().take(found(10, 1, "bash"));
      for (const index of order) bench.take(records[index] ?? fork(0, 0, 0));
      const snapshot = bench.refresh(100);
      expect(told(snapshot)).toEqual([
        ["fork", 20],
        ["exec", 20],
        ["exit", 20],
      ]);
      const known = snapshot.find({ pid: 20, startNs: 20e6 });
      expect(known?.process).toMatchObject({ arguments: ["make"], exitCode: 1, phase: { kind: "ended" } });
      expect(ancestry(snapshot, 20)).toEqual(["bash", "p20"]);
    }
  });

  test("runs its parent's program until it runs one of its own, unless it is its maker's sibling", () => {
    const bench = new Bench().take(fork(10, 1, 1), exec(10, 1, 2, "sh", "-c", "x"), fork(20, 10, 3));
    bench.take({ ...fork(30, 10, 4), flags: Flag.bySibling });
    const { processes } = bench.refresh(10);
    const words = processes.map(({ pid, arguments: list }) => [pid, list]);
    expect(words).toEqual([
      [10, ["sh", "-c", "x"]],
      [20, ["sh", "-c", "x"]],
      [30, null],
    ]);
  });

  test("has the same pid as an earlier one and another start", () => {
    const bench = new Bench().take(fork(20, 10, 1), exit(20, 10, 2));
    bench.take({ ...fork(20, 10, 3), startMs: 21 });
    const { processes } = bench.refresh(10);
    expect(processes.map(({ startNs, phase }) => [startNs, phase.kind])).toEqual([
      [20e6, "ended"],
      [21e6, "new"],
    ]);
  });

  test("that no walk meets any more has ended, nobody knows how", () => {
    const bench = new Bench().take(found(10, 1, "bash"), fork(20, 10, 5));
    bench.refresh(10);
    bench.take({ ...found(10, 1, "bash"), timeMs: 50 });
    bench.model.apply({ kind: "silent", sinceNs: 40e6, nowNs: 51e6 });
    const snapshot = bench.refresh(60);
    expect(told(snapshot)).toEqual([["exit", 20]]);
    expect(snapshot.events[0]?.process).toMatchObject({
      exitCode: null,
      exitSignal: null,
      mostMemoryBytes: null,
      phase: { kind: "ended", endedNs: 51e6 },
    });
    expect(bench.refresh(70).processes.map(({ pid }) => pid)).toEqual([10]);
  });
});

describe("what is known besides", () => {
  test("arguments from /proc count for older processes until they run a program", () => {
    const bench = new Bench().take(found(10, 1, "bash"), fork(20, 10, 5));
    expect([...bench.model.unread()]).toEqual([{ pid: 10, startNs: 10e6 }]);
    const read = { kind: "arguments", pid: 10, startNs: 10e6, words: ["-bash"], isCut: false } as const;
    bench.model.apply(read);
    bench.model.apply({ ...read, startNs: 11e6, words: ["another"] });
    expect(bench.refresh(10).processes[0]?.arguments).toEqual(["-bash"]);
    bench.take(exec(10, 1, 20, "zsh"));
    bench.model.apply(read);
    expect(bench.refresh(30).processes[0]?.arguments).toEqual(["zsh"]);
  });

  test("the unit comes with the path of the control group, before or after the process", () => {
    const bench = new Bench().take({ ...fork(20, 10, 1), cgroup: 7n });
    expect(bench.refresh(10).processes[0]).toMatchObject({ cgroup: null, unit: null });
    bench.take(cgroupRecord(7n, "/system.slice/web.service"), { ...fork(30, 10, 11), cgroup: 7n });
    const units = bench.refresh(20).processes.map(({ cgroup, unit }) => [cgroup, unit]);
    const path = "/system.slice/web.service";
    expect(units).toEqual([
      [path, "web.service"],
      [path, "web.service"],
    ]);
  });

  test("processor time is a share of the time between refreshes", () => {
    const walk = (timeMs: number, runtimeMs: number) => ({
      ...found(10, 1, "sh"),
      timeMs,
      runtimeMs,
      memoryBytes: 8192n,
    });
    const bench = new Bench().take(walk(1, 500));
    expect(bench.refresh(1000).processes[0]).toMatchObject({ cpuShare: 0, cpuNs: 500e6, memoryBytes: 8192 });
    expect(bench.take(walk(1500, 750)).refresh(2000).processes[0]?.cpuShare).toBe(0.25);
    expect(bench.refresh(3000).processes[0]?.cpuShare).toBe(0);
  });

  test("processor time is unknown of more threads than the kernel side adds up", () => {
    const walk = (timeMs: number, flags: number) => ({
      ...found(10, 1, "sh"),
      timeMs,
      runtimeMs: 500,
      flags,
    });
    const bench = new Bench().take(walk(1, Flag.runtimeCut));
    expect(bench.refresh(1000).processes[0]).toMatchObject({ cpuShare: null, cpuNs: null });
    expect(bench.take(walk(1500, 0)).refresh(2000).processes[0]).toMatchObject({ cpuNs: 500e6 });
  });

  test("files are told with the process that opened them", () => {
    const bench = new Bench().take(
      fork(20, 10, 1),
      fileRecord({ pid: 20, timeMs: 2, path: "/tmp/x", flags: 0o101 }),
    );
    bench.take(fileRecord({ pid: 20, timeMs: 3, path: "../y", result: -13, isAsked: true }));
    bench.take(fileRecord({ pid: 21, timeMs: 3, path: "/tmp/z" }));
    const files = bench.refresh(10).events.flatMap(({ file }) => file ?? []);
    expect(files).toEqual([
      { path: "/tmp/x", isPathCut: false, flags: 0o101, result: 3 },
      { path: "../y", isPathCut: false, flags: 1, result: -13 },
    ]);
    expect(bench.model.recordsInvalid).toBe(1);
  });
});

describe("ancestry", () => {
  /** systemd → sshd → bash → make → curl, of which bash and make end. */
  function lineage(bench: Bench): Bench {
    bench.take(found(1, 0, "systemd"), found(10, 1, "sshd"), found(20, 10, "bash"));
    bench.take(fork(30, 20, 5), exec(30, 20, 6, "make"), fork(40, 30, 7), exec(40, 30, 8, "curl"));
    return bench.take({ ...exit(30, 20, 9), name: "make" }, { ...exit(20, 10, 9), name: "bash" });
  }
  const WHOLE = ["systemd", "sshd", "bash", "make", "curl"];

  test("is whole behind ended processes, as long as a descendant lives", () => {
    const bench = lineage(new Bench());
    expect(ancestry(bench.refresh(10), 40)).toEqual(WHOLE);
    const later = bench.refresh(100_000);
    expect(ancestry(later, 40)).toEqual(WHOLE);
    // The row stands under the nearest one above it that lives.
    const [curl, sshd] = [40, 10].map(
      (pid) => later.find({ pid, startNs: pid * NS_PER_MS })?.process.key ?? 0,
    );
    expect(later.parentOf(curl ?? 0)).toBe(sshd);
  });

  test("is kept for 10 s after the end", () => {
    const bench = lineage(new Bench()).take({ ...exit(40, 1, 20), name: "curl" });
    expect(ancestry(bench.refresh(9000), 40)).toEqual(WHOLE);
    for (const timeMs of [61_000, 62_000, 63_000]) bench.refresh(timeMs);
    expect(bench.refresh(64_000).find({ pid: 40, startNs: 40e6 })).toBeNull();
    expect(bench.model.size).toBe(2);
  });

  test("is bounded where each process ends behind the next one, and what is forgotten is counted", () => {
    const bench = new Bench(100);
    for (let pid = 2; pid < 1002; pid++) bench.take(fork(pid + 1, pid, pid), exit(pid, 1, pid + 0.5));
    const snapshot = bench.refresh(2000);
    expect(bench.model.size).toBeLessThanOrEqual(102);
    expect(bench.model.ancestorsForgotten).toBeGreaterThan(800);
    expect(snapshot.processes.filter(({ phase }) => phase.kind !== "ended").map(({ pid }) => pid)).toEqual([
      1002,
    ]);
    expect(ancestry(snapshot, 1002)?.length).toBeLessThanOrEqual(64);
  });

  test("makes no circle of records that name each other as parents", () => {
    const bench = new Bench().take(found(10, 20, "a"), found(20, 10, "b"));
    expect(ancestry(bench.refresh(10), 20)?.length).toBeLessThanOrEqual(2);
  });
});

test("after a storm the memory holds no more than it may", () => {
  const bench = new Bench(1000);
  for (let second = 0; second < 3; second++) {
    for (let i = 0; i < 5000; i++) {
      const pid = 100 + second * 5000 + i;
      bench.take(
        fork(pid, 1, second * 1000),
        exec(pid, 1, second * 1000, "true"),
        exit(pid, 1, second * 1000),
      );
    }
    const { events } = bench.refresh(second * 1000 + 999);
    expect(events.length).toBe(15_000);
    expect(bench.model.size).toBeLessThanOrEqual(1001);
  }
});
