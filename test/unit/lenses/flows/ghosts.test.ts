/** Rows whose end nobody reports, and rows that only look so. */
import { beforeEach, describe, expect, test } from "vitest";
import { Ghosts } from "../../../../src/lenses/flows/ghosts.ts";
import { NO_LOSSES } from "../../../../src/lenses/flows/losses.ts";
import { FlowModel } from "../../../../src/lenses/flows/model/model.ts";
import type { FlowOperation } from "../../../../src/lenses/flows/operation.ts";
import { IPPROTO_UDP, RecordKind, type SeedEntry } from "../../../../src/lenses/flows/record.ts";
import { FlowsRecording, MemoryFile, memorySource, readAll } from "../../../support/recordings.ts";
import { makeRecord, seedEntry } from "../../../support/records.ts";
import { FakeWorld, settle } from "../../../support/world.ts";

const S = 1e9;

let world: FakeWorld;
let model: FlowModel;
let ghosts: Ghosts;
let file: MemoryFile;
let recorder: FlowsRecording;
let closesLost: number;

beforeEach(() => {
  world = new FakeWorld();
  model = new FlowModel({ udpIdleNs: 1000 * S, startNs: 0 });
  file = new MemoryFile();
  recorder = new FlowsRecording(file, "x.tcptop");
  ghosts = new Ghosts(world.capture, () => model.unmet(), take, world.clock);
  closesLost = 0;
});

function take(operation: FlowOperation): void {
  recorder.write(operation);
  model.apply(operation);
}

const takeRecords = (bytes: Uint8Array) => model.apply({ kind: "records", bytes });

function seed(...entries: SeedEntry[]): void {
  model.apply({ kind: "seed", entries, nowNs: 0 });
}

/** What a loop does each second; the ports of the connections that are left. */
async function refresh(): Promise<number[]> {
  await world.advance(1000);
  const at = { nowNs: world.clock.monotonicNs(), wallMs: world.clock.wallMs() };
  world.capture.drain(takeRecords);
  ghosts.sweep(takeRecords);
  const losses = { ...NO_LOSSES, closesLost };
  const { connections } = model.refresh(at.nowNs, losses);
  recorder.refresh(at, losses);
  ghosts.refreshed(closesLost);
  await settle();
  return connections.filter(({ phase }) => phase.kind !== "closing").map(({ local }) => local.port);
}

const calls = (name: string) => world.capture.calls.filter((call) => call.startsWith(name));

async function recordedEnds(): Promise<unknown[]> {
  const { calls: operations } = await readAll(memorySource(file.bytes));
  return operations.filter(([kind]) => kind === "unmet" || kind === "silent");
}

describe("connections that only /proc has told of", () => {
  const lists = (...entries: Partial<SeedEntry>[]) => {
    world.capture.listed = entries.map(seedEntry);
  };

  test("end once /proc has not told of them twice", async () => {
    seed(seedEntry({ localPort: 1, state: 2 }), seedEntry({ localPort: 2 }));
    lists({ localPort: 1 }, { localPort: 2 });
    expect(await refresh()).toEqual([1, 2]);
    lists({ localPort: 2 });
    expect(await refresh()).toEqual([1, 2]);
    expect(await refresh()).toEqual([1, 2]);
    expect(await refresh()).toEqual([2]);
    expect(await recordedEnds()).toEqual([["unmet", 3 * S, 1]]);
  });

  test("stay if one of two looks does not find them", async () => {
    seed(seedEntry({ localPort: 1 }));
    for (let i = 0; i < 6; i++) {
      lists(...(i % 2 === 0 ? [] : [{ localPort: 1 }]));
      expect(await refresh()).toEqual([1]);
    }
  });

  test("are told by their sockets from others with the same addresses", async () => {
    seed(seedEntry({ inode: 7 }), seedEntry({ inode: 8 }), seedEntry({ localPort: 1, inode: 0 }));
    lists({ inode: 8 }, { localPort: 1, inode: 9 });
    for (let i = 0; i < 3; i++) await refresh();
    expect(model.unmet().map(({ inode }) => inode)).toEqual([8, 0]);
  });

  test("stay while /proc cannot be read in full", async () => {
    seed(seedEntry({ localPort: 1 }));
    world.capture.listed = null;
    for (let i = 0; i < 5; i++) expect(await refresh()).toEqual([1]);
  });

  test("are looked for in their namespaces only, and only while there are any", async () => {
    seed(seedEntry({ netns: 5 }), seedEntry({ netns: 6, proto: IPPROTO_UDP, state: 1 }));
    lists({ netns: 5 });
    await refresh();
    world.capture.ring.push(makeRecord({ id: 1n, netns: 5, timeNs: S }));
    await refresh();
    await refresh();
    expect(calls("connections")).toEqual(["connections 1000 5"]);
  });

  test("are looked for seldom where that takes long", async () => {
    seed(seedEntry());
    let found: (entries: readonly SeedEntry[]) => void = () => {};
    world.capture.connections = async () => {
      world.capture.calls.push(`connections ${world.clock.monotonicNs() / 1e6}`);
      return new Promise((resolve) => {
        found = resolve;
      });
    };
    await refresh();
    await refresh();
    found([seedEntry()]);
    await settle();
    for (let i = 0; i < 20; i++) await refresh();
    expect(calls("connections")).toEqual(["connections 1000", "connections 22000"]);
  });

  test("a look that fails is repeated", async () => {
    seed(seedEntry());
    const { connections } = world.capture;
    world.capture.connections = async () => {
      throw new Error("too many open files");
    };
    await refresh();
    world.capture.connections = connections;
    await refresh();
    await refresh();
    expect(await refresh()).toEqual([]);
  });
});

describe("connections whose closes were lost", () => {
  const record = (port: number, timeNs: number, kind: number = RecordKind.totals) =>
    makeRecord({ id: BigInt(port), localPort: port, kind, timeNs });

  test("end once two sweeps of everything have not reported them", async () => {
    world.capture.ring.push(record(1, S), record(2, S), record(3, S));
    expect(await refresh()).toEqual([1, 2, 3]);
    closesLost = 1;
    await refresh();
    world.capture.moved.push(record(1, 3.5 * S));
    expect(await refresh()).toEqual([1, 2, 3]);
    world.capture.moved.push(record(2, 4 * S));
    world.capture.ring.push(record(4, 3.9 * S, RecordKind.open));
    expect(await refresh()).toEqual([1, 2, 4]);
    expect(await refresh()).toEqual([1, 2, 4]);
    expect(calls("sweep")).toEqual([
      ...["sweep 1000", "sweep 2000", "sweepAll 3000", "sweepAll 4000", "sweep 5000"],
    ]);
    expect(await recordedEnds()).toEqual([["silent", 4 * S, 3 * S]]);
  });

  test("are looked for again when more closes are lost meanwhile", async () => {
    closesLost = 1;
    await refresh();
    closesLost = 2;
    for (let i = 0; i < 5; i++) await refresh();
    expect(calls("sweep")).toEqual([
      ...["sweep 1000", "sweepAll 2000", "sweepAll 3000", "sweepAll 4000", "sweepAll 5000", "sweep 6000"],
    ]);
  });

  test("a close that arrives during the sweep is its end, with its totals", async () => {
    world.capture.ring.push(record(1, S));
    await refresh();
    closesLost = 1;
    await refresh();
    await refresh();
    const { sweepAll } = world.capture;
    world.capture.sweepAll = (take) => {
      sweepAll.call(world.capture, take);
      world.capture.ring.push(
        makeRecord({ id: 1n, localPort: 1, kind: RecordKind.close, timeNs: S, bytesIn: 9 }),
      );
    };
    await refresh();
    expect(model.refresh(9 * S, NO_LOSSES).totals.bytesIn).toBe(9);
    expect(model.size).toBe(0);
  });
});
