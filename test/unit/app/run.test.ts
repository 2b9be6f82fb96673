import { describe, expect, test } from "vitest";
import { type RunOptions, run } from "../../../src/app/run.ts";
import { ExitError } from "../../../src/base/errors.ts";
import { RecordKind, type Seed } from "../../../src/lenses/flows/record.ts";
import { csvStream, flowLens, jsonStream } from "../../support/lenses.ts";
import { curlRecord, NO_LOSSES, seedEntry } from "../../support/records.ts";
import { FakeWorld, outcomeOf, settle, systemError } from "../../support/world.ts";

const LISTEN = 10;

type Fields = Partial<RunOptions> & { readonly all?: boolean };

function options({ all = false, ...fields }: Fields = {}): RunOptions {
  return {
    version: "0.1.0",
    capture: { backend: "auto", ringBytes: undefined },
    lenses: [flowLens(null, { all })],
    stream: jsonStream(),
    delayNs: 1e9,
    iterations: null,
    ...fields,
  };
}

/** Starts the loop and lets the seed finish; `result` is what it resolves to or fails with. */
async function started(fields: Fields = {}, world = new FakeWorld()) {
  const state: { result: unknown } = { result: "running" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  run(world, options(fields)).then(outcomeOf).then(keep, keep);
  await settle();
  return { world, state };
}

/** Time of day in milliseconds after the start, event, and what else the keys name. */
function told(world: FakeWorld, ...keys: string[]): unknown[][] {
  return world.stdout.objects.map((line) => [
    Date.parse(String(line["time"])) - Date.UTC(2026, 10, 21, 12, 4, 26),
    line["event"],
    ...keys.map((key) => line[key]).filter((value) => value !== undefined),
  ]);
}

describe("the start", () => {
  test("comes after attaching and seeding, and shows what existed before at once", async () => {
    const world = new FakeWorld();
    let seeded: (seed: Seed) => void = () => {};
    world.capture.seeding = new Promise((resolve) => {
      seeded = resolve;
    });
    await started({}, world);
    await world.advance(300);
    expect(world.capture.calls).toEqual(["seed"]);
    expect(world.stdout.text).toBe("");

    seeded({ entries: [seedEntry({ localPort: 5000 })], linesSkipped: 0 });
    await settle();
    expect(world.stdout.writes).toHaveLength(2);
    expect(told(world, "backend", "kernel", "version", "local_port", "partial", "bytes_in")).toEqual([
      [300, "start", "fentry", "6.12.0", "0.1.0"],
      [300, "open", 5000, true, 0],
    ]);
    expect(world.capture.calls.slice(0, 3)).toEqual(["seed", "drain 300", "sweep 300"]);
  });

  test("hands the capture its options", async () => {
    const capture = { backend: "kprobe", ringBytes: 4096 } as const;
    const { world } = await started({ capture });
    expect(world.opened).toMatchObject([{ ...capture, lenses: [{ id: "flows" }] }]);
  });

  test("is silent, and the capture closed, if the end is asked for while seeding", async () => {
    const world = new FakeWorld();
    world.capture.seeding = new Promise(() => {});
    const { state } = await started({}, world);
    world.requestStop();
    await settle();
    expect(state.result).toBe(true);
    expect(world.stdout.text).toBe("");
    expect(world.capture.calls).toEqual(["seed", "close"]);
  });

  test("fails as the platform says, with nothing left behind", async () => {
    const world = new FakeWorld();
    world.openFailure = new ExitError(69, "no BTF");
    await expect(run(world, options())).rejects.toBe(world.openFailure);
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });

  test("fails if seeding does, with the capture closed", async () => {
    const world = new FakeWorld();
    const failure = new Error("no /proc");
    world.capture.seeding = Promise.reject(failure);
    await expect(run(world, options())).rejects.toBe(failure);
    expect(world.capture.calls).toEqual(["seed", "close"]);
  });
});

describe("the loop", () => {
  test("drains every 100 ms, and at each delay drains, sweeps and writes once", async () => {
    const { world } = await started({ delayNs: 0.25e9 });
    const before = world.capture.calls.length;
    await world.advance(500);
    expect(world.capture.calls.slice(before)).toEqual([
      ...["drain 100", "drain 200", "drain 250", "sweep 250"],
      ...["drain 350", "drain 450", "drain 500", "sweep 500"],
    ]);
    expect(told(world)).toEqual([
      [0, "start"],
      [250, "summary"],
      [500, "summary"],
    ]);
    expect(world.stdout.writes).toHaveLength(3);
  });

  test("with a short delay drains at each refresh only", async () => {
    const { world } = await started({ delayNs: 0.1e9 });
    const before = world.capture.calls.length;
    await world.advance(200);
    expect(world.capture.calls.slice(before)).toEqual(["drain 100", "sweep 100", "drain 200", "sweep 200"]);
  });

  test("keeps to its grid: a late refresh is not made up for, and rates are over the real time", async () => {
    const { world } = await started();
    await world.advance(1000);
    world.stallFor(2300);
    world.capture.moved.push(curlRecord(1, { bytesIn: 2300 }));
    await world.advance(1700);
    expect(
      told(world, "interval_s", "rate_in", "local_port").filter(([, event]) => event === "summary"),
    ).toEqual([
      [1000, "summary", 1, 0],
      [3300, "summary", 2.3, 1000],
      [4000, "summary", 0.7, 0],
      [5000, "summary", 1, 0],
    ]);
  });

  test("a wall clock that is set moves the times told, not the refreshes, rates and ages", async () => {
    const { world } = await started();
    for (const shiftMs of [-3_600_000, 86_400_000, 0]) {
      world.wallShiftMs = shiftMs;
      world.capture.moved.push(curlRecord(1, { bytesIn: 1000 * (world.capture.calls.length + 1) }));
      await world.advance(1000);
    }
    const rows = told(world, "interval_s", "local_port", "rate_in", "age_ms");
    expect(
      rows.filter(([, event]) => event === "summary").map(([time, , interval]) => [time, interval]),
    ).toEqual([
      [1000 - 3_600_000, 1],
      [2000 + 86_400_000, 1],
      [3000, 1],
    ]);
    expect(
      rows.filter(([, event]) => event === "open" || event === "update").map((row) => row.at(-1)),
    ).toEqual([1000, 2000, 3000]);
  });

  test("takes a timer that fires too early for what it is", async () => {
    const world = new FakeWorld();
    const { after } = world;
    world.after = (ms, call) => after(ms - 0.5, call);
    await started({ iterations: 1 }, world);
    await world.advance(999);
    expect(world.stdout.writes).toHaveLength(1);
    await world.advance(2);
    expect(told(world)).toHaveLength(2);
    expect(told(world)[1]?.[0]).toBeGreaterThanOrEqual(1000);
  });

  test("streams opens, updates and closes with totals, final ones included", async () => {
    const { world } = await started();
    world.capture.ring.push(curlRecord(1, { bytesOut: 10 }), curlRecord(2, { bytesOut: 5 }));
    await world.advance(1000);
    world.capture.moved.push(curlRecord(1, { kind: RecordKind.totals, timeNs: 2_000, bytesOut: 1010 }));
    world.capture.ring.push(curlRecord(2, { kind: RecordKind.close, timeNs: 2_000, state: 7, bytesOut: 7 }));
    await world.advance(1000);
    await world.advance(1000);
    expect(told(world, "local_port", "state", "bytes_out", "rate_out", "tcp")).toEqual([
      [0, "start"],
      [1000, "open", 40_001, "ESTABLISHED", 10, 10],
      [1000, "open", 40_002, "ESTABLISHED", 5, 5],
      [1000, "summary", 15, 15, 2],
      [2000, "update", 40_001, "ESTABLISHED", 1010, 1000],
      [2000, "close", 40_002, "CLOSE", 7, 2],
      [2000, "summary", 1017, 1002, 1],
      [3000, "update", 40_001, "ESTABLISHED", 1010, 0],
      [3000, "summary", 1017, 0, 1],
    ]);
  });

  test("shows what the selection lets through, in its order", async () => {
    const stream = jsonStream(flowLens(({ local }) => local.port !== 40_002));
    const order = { key: "bytes_in", reverse: false };
    const { world } = await started({ stream: { ...stream, order } });
    world.capture.ring.push(
      curlRecord(1, { bytesIn: 1 }),
      curlRecord(2, { bytesIn: 2 }),
      curlRecord(3, { bytesIn: 3 }),
    );
    await world.advance(1000);
    expect(told(world, "local_port", "bytes_in", "connections", "machine_bytes_in")).toEqual([
      [0, "start"],
      [1000, "open", 40_003, 3],
      [1000, "open", 40_001, 1],
      [1000, "summary", 4, 2, 6],
    ]);
  });

  test("addresses that are used twice between two refreshes are two flows, each with its open and its close", async () => {
    const { world } = await started();
    const twice = [1, 2].flatMap((id) => [
      curlRecord(id, { localPort: 5 }),
      curlRecord(id, { localPort: 5, kind: RecordKind.close, state: 7 }),
    ]);
    world.capture.ring.push(...twice);
    await world.advance(1000);
    expect(told(world, "local_port", "flow").filter(([, event]) => event !== "summary")).toEqual([
      [0, "start"],
      [1000, "open", 5, "1"],
      [1000, "open", 5, "2"],
      [1000, "close", 5, "1"],
      [1000, "close", 5, "2"],
    ]);
  });

  test("an error of the capture ends it, with the capture closed", async () => {
    const { world, state } = await started();
    world.capture.drainFailure = new Error("ring is gone");
    await world.advance(200);
    expect(state.result).toBe(world.capture.drainFailure);
    expect(world.capture.calls.at(-1)).toBe("close");
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });
});

describe("the end", () => {
  test("comes after the asked number of refreshes", async () => {
    const { world, state } = await started({ iterations: 2 });
    await world.advance(1999);
    expect(state.result).toBe("running");
    await world.advance(1);
    expect(state.result).toBe(true);
    expect(told(world)).toEqual([
      [0, "start"],
      [1000, "summary"],
      [2000, "summary"],
    ]);
    expect(world.capture.calls.slice(-3)).toEqual(["drain 2000", "sweep 2000", "close"]);
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });

  test("on request tells all that was seen until then", async () => {
    const { world, state } = await started();
    await world.advance(1100);
    world.capture.ring.push(curlRecord(1, { bytesIn: 1 }));
    world.capture.moved.push(curlRecord(1, { kind: RecordKind.totals, timeNs: 2_000, bytesIn: 300 }));
    world.requestStop();
    await settle();
    expect(state.result).toBe(true);
    expect(told(world, "bytes_in", "rate_in").slice(-2)).toEqual([
      [1100, "open", 300, 3000],
      [1100, "summary", 300, 3000],
    ]);
    expect(world.capture.calls.slice(-3)).toEqual(["drain 1100", "sweep 1100", "close"]);
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });

  test("comes at once and without failure when the reader goes away", async () => {
    const { world, state } = await started();
    world.stdout.fail(systemError("EPIPE", "write EPIPE"));
    await world.advance(1000);
    expect(state.result).toBe(true);
    expect(world.capture.calls.slice(-3)).toEqual(["drain 1000", "sweep 1000", "close"]);
    expect(world.stderr.text).toBe("");
  });

  test("comes within a refresh when the reader goes away and there is nothing to write", async () => {
    const { world, state } = await started({ stream: csvStream() });
    await world.advance(2000);
    expect(state.result).toBe("running");
    world.hasReader = false;
    await world.advance(1000);
    expect(state.result).toBe(true);
    expect(world.capture.calls.at(-1)).toBe("close");
    expect(world.stdout.attempts).toBe(1);
  });

  test("comes with exit code 74 when writing fails", async () => {
    const { world, state } = await started();
    world.stdout.fail(systemError("ENOSPC", "ENOSPC: no space left on device, write"));
    await world.advance(1000);
    expect(state.result).toEqual(
      new ExitError(74, "cannot write to standard output: ENOSPC: no space left on device"),
    );
    expect(world.capture.calls.at(-1)).toBe("close");
  });
});

test("refreshes that take longer than the delay leave time for signals and pipes", async () => {
  const world = new FakeWorld();
  const { losses } = world.capture;
  world.capture.losses = () => {
    world.stallFor(1300);
    return losses.call(world.capture);
  };
  const { state } = await started({}, world);
  await world.advance(6000);
  expect(world.capture.calls.filter((call) => call.startsWith("sweep"))).toEqual([
    "sweep 0",
    ...["sweep 2300", "sweep 4300", "sweep 6300"],
  ]);
  world.requestStop();
  await settle();
  expect(state.result).toBe(true);
});

describe("a slow reader", () => {
  test("misses refreshes, is told how many, and hears of every connection in the end", async () => {
    const { world, state } = await started();
    world.stdout.stall();
    world.capture.ring.push(curlRecord(1));
    await world.advance(1000);
    world.capture.ring.push(curlRecord(2), curlRecord(3));
    world.capture.moved.push(curlRecord(1, { kind: RecordKind.totals, timeNs: 2_000, bytesIn: 5 }));
    await world.advance(1000);
    await world.advance(1000);
    expect(world.stdout.writes).toHaveLength(2);
    world.stdout.resume();
    await world.advance(1000);
    expect(state.result).toBe("running");
    expect(told(world, "local_port", "refreshes_skipped", "events_skipped", "bytes_in")).toEqual([
      [0, "start"],
      [1000, "open", 40_001, 0],
      [1000, "summary", 0, 0, 0],
      [4000, "open", 40_002, 0],
      [4000, "open", 40_003, 0],
      [4000, "update", 40_001, 5],
      [4000, "summary", 2, 0, 5],
    ]);
  });

  test("gets the last refresh after all, and is waited for when the iterations are done", async () => {
    const { world, state } = await started({ iterations: 2 });
    world.stdout.stall();
    await world.advance(2000);
    await world.advance(60_000);
    expect(state.result).toBe("running");
    expect(world.capture.calls.at(-1)).toBe("close");
    expect(told(world)).toHaveLength(2);
    world.stdout.resume();
    await settle();
    expect(told(world)).toHaveLength(3);
    expect(state.result).toBe(true);
  });

  test("is given two seconds after a request to end, and one for the lines under way and the last summary", async () => {
    const { world, state } = await started();
    world.stdout.stall();
    await world.advance(1000);
    world.capture.ring.push(curlRecord(1));
    await world.advance(1000);
    world.requestStop();
    await world.advance(2999);
    expect(state.result).toBe("running");
    await world.advance(1);
    expect(state.result).toEqual(
      new ExitError(74, "1 event not written to standard output, the reader was too slow"),
    );
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });

  test("that takes the lines under way during that second gets a last summary, which counts the rest", async () => {
    const { world, state } = await started();
    const ids = Array.from({ length: 1000 }, (_, i) => i + 1);
    world.stdout.stall();
    world.capture.ring.push(...ids.map((id) => curlRecord(id)));
    await world.advance(1000);
    world.capture.ring.push(...ids.map((id) => curlRecord(id, { kind: RecordKind.close, state: 7 })));
    await world.advance(500);
    world.requestStop();
    await world.advance(2000);
    expect(state.result).toBe("running");
    world.stdout.resume();
    await settle();
    const lines = world.stdout.objects;
    const written = lines.filter(({ event }) => event === "open").length;
    expect(written).toBeGreaterThan(0);
    expect(lines.map(({ event }) => event)).toEqual(["start", ...Array(written).fill("open"), "summary"]);
    expect(lines.at(-1)).toMatchObject({ tcp: 0, events_skipped: 2000 - written });
    expect(state.result).toEqual(
      new ExitError(74, `${2000 - written} events not written to standard output, the reader was too slow`),
    );
  });

  test("that has only the last summary to take gets it once", async () => {
    const { world, state } = await started();
    world.stdout.stall();
    await world.advance(500);
    world.requestStop();
    await world.advance(2500);
    world.stdout.resume();
    await settle();
    expect(told(world, "events_skipped")).toEqual([
      [0, "start"],
      [500, "summary", 0],
    ]);
    expect(state.result).toBe(true);
  });

  test("is given up at the second request", async () => {
    const { world, state } = await started({ iterations: 1 });
    world.stdout.stall();
    await world.advance(1000);
    world.requestStop();
    await settle();
    expect(state.result).toBe("running");
    world.requestStop();
    await settle();
    expect(state.result).toEqual(
      new ExitError(74, "the last lines not written to standard output, the reader was too slow"),
    );
    expect(world.timers).toBe(0);
  });

  test("that reads on during those two seconds gets everything", async () => {
    const { world, state } = await started();
    world.stdout.stall();
    await world.advance(1000);
    world.requestStop();
    await world.advance(500);
    world.stdout.resume();
    await settle();
    expect(state.result).toBe(true);
    expect(world.timers).toBe(0);
  });
});

describe("listening and TIME_WAIT sockets", () => {
  const listener = seedEntry({ state: LISTEN, localPort: 80, remotePort: 0, inode: 1 });

  test("are shown from the start, read again at each refresh, never twice at once", async () => {
    const world = new FakeWorld();
    world.capture.seeding = Promise.resolve({ entries: [listener], linesSkipped: 0 });
    let answer: (seed: Seed) => void = () => {};
    const reading = new Promise<Seed>((resolve) => {
      answer = resolve;
    });
    world.capture.socketReads.push(() => reading);
    await started({ all: true }, world);
    await world.advance(2500);
    expect(world.capture.calls.filter((call) => call.startsWith("sockets"))).toEqual(["sockets 1000"]);
    answer({ entries: [], linesSkipped: 0 });
    await world.advance(500);
    expect(world.capture.calls.filter((call) => call.startsWith("sockets"))).toEqual([
      "sockets 1000",
      "sockets 3000",
    ]);
    expect(told(world, "local_port", "state").filter(([, event]) => event !== "summary")).toEqual([
      [0, "start"],
      [0, "open", 80, "LISTEN"],
      [3000, "close", 80, "LISTEN"],
    ]);
  });

  test("are not read without being asked for", async () => {
    const world = new FakeWorld();
    world.capture.seeding = Promise.resolve({ entries: [listener], linesSkipped: 0 });
    await started({}, world);
    await world.advance(2000);
    expect(world.capture.calls.filter((call) => call.startsWith("sockets"))).toEqual([]);
    expect(told(world, "local_port").map(([, event]) => event)).toEqual(["start", "summary", "summary"]);
  });

  test("that cannot be read end the program", async () => {
    const { world, state } = await started({ all: true });
    const failure = new Error("no /proc");
    world.capture.socketReads.push(() => Promise.reject(failure));
    await world.advance(2000);
    expect(state.result).toBe(failure);
    expect(world.capture.calls.at(-1)).toBe("close");
  });
});

test("losses that the form has no room for are told at the end, on standard error", async () => {
  const { world } = await started({ stream: csvStream(), iterations: 1 });
  world.capture.lossCounts = { ...NO_LOSSES, flowsUntracked: 3 };
  await world.advance(1000);
  expect(world.stderr.text).toBe(
    "warning: incomplete, last at 12:04:27: 3 flows not shown, the kernel's flow table was full\n",
  );
  expect(world.stdout.text.split("\n")).toHaveLength(2);
});
