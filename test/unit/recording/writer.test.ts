import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { FrameKind } from "../../../src/recording/format.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import { RecordingWriter } from "../../../src/recording/writer.ts";
import { FlowsRecording, MemoryFile, memorySource, readAll } from "../../support/recordings.ts";
import { NO_LOSSES, seedEntry } from "../../support/records.ts";
import { systemError } from "../../support/world.ts";

const LISTEN = 10;

function started() {
  const file = new MemoryFile();
  const flows = new FlowsRecording(file, "x.tcptop");
  return { file, flows, writer: flows.writer };
}

function refreshes({ flows }: { flows: FlowsRecording }, ...seconds: number[]): void {
  for (const second of seconds) flows.refresh({ nowNs: second * 1e9, wallMs: second * 1e3 }, NO_LOSSES);
}

async function kindsOf({ bytes }: MemoryFile): Promise<string[]> {
  const reader = await RecordingReader.open(memorySource(bytes), "x.tcptop");
  const kinds: string[] = [];
  for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
    kinds.push(frame.isRefresh ? "refresh" : "part");
    frame.read(({ lens }) => expect(lens).toBe(1));
  }
  return kinds;
}

describe("a recording", () => {
  test("has the flows of a seed, and the sockets without one only where they are given", async () => {
    const { file, flows } = started();
    const flow = seedEntry();
    const listener = seedEntry({ state: LISTEN, remotePort: 0 });
    flows.write({ kind: "seed", entries: [flow, listener], nowNs: 5 });
    flows.write({ kind: "sockets", entries: [flow, listener] });
    refreshes({ flows }, 1);
    const { calls } = await readAll(memorySource(file.bytes));
    expect(calls.slice(0, 2)).toEqual([
      ["seed", 5, flow],
      ["sockets", listener],
    ]);
  });

  test("has sockets again only when they have changed", async () => {
    const { file, flows } = started();
    const listener = seedEntry({ state: LISTEN, remotePort: 0 });
    for (const entries of [[listener], [listener], [], [], [listener]]) {
      flows.write({ kind: "sockets", entries });
      refreshes({ flows }, 1);
    }
    const { calls } = await readAll(memorySource(file.bytes));
    const sockets = calls.flatMap((call, i) => (call[0] === "sockets" ? [[i, call.length - 1]] : []));
    expect(sockets).toEqual([
      [0, 1],
      [3, 0],
      [6, 1],
    ]);
  });

  test("has a refresh of many records in parts, and a seed of many sockets", async () => {
    const { file, flows } = started();
    const entries = Array.from({ length: 50_000 }, (_, i) => seedEntry({ localPort: i + 1, inode: i }));
    flows.write({ kind: "seed", entries, nowNs: 5 });
    for (let i = 0; i < 30; i++) flows.write({ kind: "records", bytes: Buffer.alloc(176 * 2048, i) });
    refreshes({ flows }, 1);
    expect(await kindsOf(file)).toEqual(["part", "part", "part", "refresh"]);
    const { calls } = await readAll(memorySource(file.bytes));
    const seeded = calls.flatMap((call) => (call[0] === "seed" ? call.slice(2) : []));
    expect(seeded).toEqual(entries);
    const records = calls.flatMap((call) => (call[0] === "records" ? [call[1]] : []));
    expect(records).toEqual(
      Array.from({ length: 30 }, (_, i) => Buffer.alloc(176 * 2048, i).toString("hex")),
    );
  });

  test("that was killed among the parts of a refresh ends with the one before", async () => {
    const { file, flows } = started();
    refreshes({ flows }, 1);
    for (let i = 0; i < 12; i++) flows.write({ kind: "records", bytes: Buffer.alloc(176 * 2048) });
    const read = await readAll(memorySource(file.bytes));
    expect(await kindsOf(file)).toEqual(["refresh", "part"]);
    expect([read.calls.length, read.isUnfinished]).toEqual([1, true]);
  });
});

test("a recording that ends before its first refresh leaves nothing, one with a refresh all of it", () => {
  const [none, one] = [started(), started()];
  none.flows.write({ kind: "silent", nowNs: 2, sinceNs: 1 });
  refreshes(one, 1);
  const { length } = one.file.bytes;
  for (const { writer } of [none, one]) writer.close();
  expect([none.file.bytes.length, one.file.bytes.length]).toEqual([0, length]);
});

test("a recording that has not begun leaves what was in the file", () => {
  const file = new MemoryFile();
  file.bytes = Buffer.from("the old recording");
  new RecordingWriter(file, "x.tcptop").close();
  expect([file.bytes.toString(), file.isClosed]).toEqual(["the old recording", true]);
});

describe("a disk that is full", () => {
  test("ends the recording; what was written before is whole, what is missing is counted", async () => {
    const { file, flows, writer } = started();
    let told = 0;
    writer.onFailure(() => told++);
    refreshes({ flows }, 1, 2);
    file.room = file.bytes.length + 7;
    refreshes({ flows }, 3, 4, 5);
    file.room = Number.POSITIVE_INFINITY;
    flows.write({ kind: "records", bytes: Buffer.alloc(176) });
    refreshes({ flows }, 6);
    expect([told, writer.notice]).toEqual([1, "4 refreshes not recorded: ENOSPC: no space left on device"]);
    expect(writer.failure).toMatchObject({
      exitCode: 74,
      message:
        "cannot write to the recording x.tcptop: ENOSPC: no space left on device; what was recorded before is intact",
    });
    const read = await readAll(memorySource(file.bytes));
    expect([read.calls.map((call) => call[1]), read.isUnfinished, read.error]).toEqual([
      [1e9, 2e9],
      false,
      null,
    ]);
  });

  test("and cannot even be cut back leaves an unfinished refresh behind, which is left out", async () => {
    const { file, flows, writer } = started();
    refreshes({ flows }, 1);
    file.room = file.bytes.length + 40;
    file.truncate = () => {
      throw systemError("EIO", "EIO: i/o error, ftruncate");
    };
    refreshes({ flows }, 2);
    expect(writer.notice).toMatch(/^1 refresh not recorded: /);
    const read = await readAll(memorySource(file.bytes));
    expect([read.calls.map((call) => call[1]), read.isUnfinished, read.error]).toEqual([[1e9], true, null]);
  });

  test("from the first byte on is told to who asks later", () => {
    const file = new MemoryFile();
    file.room = 3;
    const { writer } = new FlowsRecording(file, "x.tcptop");
    let told = 0;
    writer.onFailure(() => told++);
    expect([told, file.bytes.length]).toEqual([1, 0]);
  });

  test("that takes the head and no refresh is left without a file that cannot be played", () => {
    const { file, flows, writer } = started();
    file.room = file.bytes.length + 7;
    refreshes({ flows }, 1);
    expect([file.bytes.length > 0, writer.notice]).toEqual([
      true,
      "1 refresh not recorded: ENOSPC: no space left on device",
    ]);
    writer.close();
    expect([file.bytes.length, file.isClosed]).toEqual([0, true]);
  });

  test("that shows only at the close is a failure too", () => {
    const { file, writer } = started();
    file.closeFailure = systemError("EDQUOT", "EDQUOT: disk quota exceeded, close");
    writer.close();
    expect(writer.failure?.message).toContain("EDQUOT: disk quota exceeded;");
  });
});

test("kinds of frames are what the file says for ever", () => {
  expect(FrameKind).toEqual({ info: 1, part: 2, refresh: 3 });
});
