/** A file of every format that there was is played to exact values, and a recording with unknown lenses without them. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Replay } from "../../../src/app/replay.ts";
import { streamFeed } from "../../../src/app/run.ts";
import { HEAD } from "../../../src/core/head.gen.ts";
import type { LensRecorder } from "../../../src/core/recording.ts";
import { RECORD, RECORD_FIELDS } from "../../../src/lenses/flows/layout.gen.ts";
import { FLOW_COUNTERS } from "../../../src/lenses/flows/losses.ts";
import { FLOWS } from "../../../src/lenses/flows/snapshot.ts";
import {
  byteOrder,
  encodeFrame,
  FORMAT_VERSION,
  FrameKind,
  type LensHead,
  MAGIC,
} from "../../../src/recording/format.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import { flowLens, jsonStream } from "../../support/lenses.ts";
import {
  FACTS,
  FLOWS_HEAD,
  FlowsRecording,
  INFO,
  MemoryFile,
  memorySource,
} from "../../support/recordings.ts";
import { encodeRecords, NO_LOSSES } from "../../support/records.ts";
import { FakeWorld, outcomeOf } from "../../support/world.ts";

const S = 1e9;
const LOSS_KEYS = FLOW_COUNTERS.map(({ key }) => key);
const HOW = { name: "x", speed: 1000, iterations: null, lenses: [flowLens()], staysAtEnd: false };

type Line = Readonly<Record<string, unknown>>;

async function played(bytes: Buffer) {
  const world = new FakeWorld();
  const reader = await RecordingReader.open(memorySource(bytes), "x.tcptop");
  const ended = streamFeed(world, { stream: jsonStream() }, () => new Replay(world, HOW, reader));
  const result = ended.then(outcomeOf, (error: unknown) => error);
  for (let i = 0; i < 20; i++) await world.advance(1000);
  return { result: await result, lines: world.stdout.objects as Line[], stderr: world.stderr.text };
}

function fixture(format: number): Buffer {
  return readFileSync(fileURLToPath(new URL(`../../fixtures/format-${format}.tcptop`, import.meta.url)));
}

const some = (lines: readonly Line[], ...keys: string[]) => lines.map((line) => keys.map((key) => line[key]));

describe.each([2, 3])("a file of format %i", (format) => {
  test("plays to exact values", async () => {
    const { result, lines, stderr } = await played(fixture(format));
    expect([result, stderr]).toEqual([true, ""]);
    const flows = lines.filter(({ event }) => event !== "summary" && event !== "start");
    expect(some(flows, "event", "process", "pid", "local_port", "bytes_in", "retransmits", "rtt_us")).toEqual(
      [
        ["open", "sshd", 31, 22, 0, null, null],
        ["open", null, null, 40_099, 0, null, null],
        ["open", "curl", 77, 40_007, 5000, 1, 2100],
        ["open", null, null, 5353, 0, null, null],
        ["update", null, null, 5353, 90, null, null],
        ["close", "sshd", 31, 22, 0, null, null],
        ["close", "curl", 77, 40_007, 6000, 1, 2100],
      ],
    );
    const summaries = lines.filter(({ event }) => event === "summary");
    expect(some(summaries, "records_deferred", "records_invalid", "seed_lines_skipped")).toEqual([
      [3, 2, 0],
      [3, 2, 1],
    ]);
  });
});

test("a file of format 1 plays to exact values", async () => {
  const { result, lines, stderr } = await played(fixture(1));
  expect([result, stderr]).toEqual([true, ""]);
  const [start] = lines;
  expect(start).toMatchObject({ backend: "fentry", kernel: "6.12.117+deb13-amd64", max_tcp_flows: null });
  const rows = lines.filter(({ event }) => event !== "summary" && event !== "start");
  expect(some(rows.slice(0, 3), "event", "process", "local_port", "bytes_in")).toEqual([
    ["open", "sshd", 22, 69],
    ["open", "gunicorn", 8000, 1130],
    ["open", "redis-server", 6379, 289],
  ]);
  expect(rows.length).toBe(62);
  const counters = LOSS_KEYS.map((key) =>
    lines.filter(({ event }) => event === "summary").map((line) => line[key]),
  );
  expect(counters).toEqual(LOSS_KEYS.map(() => [0, 0]));
});

describe("a recording with a lens that the reader does not know", () => {
  const bells = (isCritical: boolean): LensHead => ({
    number: 250,
    id: "bells",
    abi: 7,
    isCritical,
    schema: { record: { size: 24 } },
    facts: {},
  });

  /** Two refreshes of flows and bells. */
  function recorded(isCritical = false): Buffer {
    const file = new MemoryFile();
    const flows = new FlowsRecording(file, "x.tcptop", INFO, [bells(isCritical)]);
    const rings: LensRecorder = flows.writer.recorderOf(250);
    for (const second of [1, 2]) {
      const at = { nowNs: second * S, wallMs: second * 1000 };
      rings.operation(77, 4, (to) => to.u32(second));
      flows.write({
        kind: "records",
        bytes: encodeRecords({ id: 1n, timeNs: at.nowNs, bytesIn: 10 * second }),
      });
      rings.last(78, 0, at, () => {});
      flows.refresh(at, NO_LOSSES);
    }
    return file.bytes;
  }

  test("plays without it and says so once", async () => {
    const { result, lines, stderr } = await played(recorded());
    expect(result).toBe(true);
    expect(stderr).toBe("warning: the recording has what this tcptop does not know, and leaves out: bells\n");
    expect(some(lines, "event", "bytes_in")).toEqual([
      ["start", undefined],
      ["open", 10],
      ["update", 20],
      ["summary", 20],
    ]);
  });

  test("is refused by name where it must not be left out", async () => {
    expect((await played(recorded(true))).result).toMatchObject({
      exitCode: 64,
      message:
        "x.tcptop is a recording by tcptop 0.1.0, which cannot be played without bells: use tcptop 0.1.0",
    });
  });
});

describe("what the reader does not know of flows, or misses", () => {
  const operation = (number: number, flags: number, contents: Uint8Array) => {
    const head = Buffer.alloc(8);
    head.set([1, number]);
    head.writeUInt16LE(flags, 2);
    head.writeUInt32LE(contents.length, 4);
    return Buffer.concat([head, contents]);
  };
  const losses = operation(4, 3, Buffer.alloc(64));
  const header = { format: FORMAT_VERSION, byteOrder: byteOrder(), ...INFO, lenses: [FLOWS_HEAD] };
  const head = Buffer.concat([MAGIC, encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header)))]);
  const refresh = (second: number, ...parts: Uint8Array[]) =>
    encodeFrame(FrameKind.refresh, Buffer.concat([...parts, losses]), { nowNs: second * S, wallMs: second });

  test("an operation is left out, and said once", async () => {
    const unknown = operation(99, 0, Buffer.alloc(30, 0xff));
    const { result, lines, stderr } = await played(
      Buffer.concat([head, refresh(1, unknown), refresh(2, unknown)]),
    );
    expect([result, lines.map(({ event }) => event)]).toEqual([true, ["start", "summary"]]);
    expect(stderr).toBe(
      "warning: the recording has what this tcptop does not know, and leaves out: operation 99 of flows\n",
    );
  });

  test("counters that the recording does not have are null", async () => {
    const flows = { ...FLOWS_HEAD, schema: { ...FLOWS_HEAD.schema, losses: ["closes_lost"] } };
    const first = encodeFrame(FrameKind.info, Buffer.from(JSON.stringify({ ...header, lenses: [flows] })));
    const counts = operation(4, 3, Buffer.alloc(8));
    const refreshes = [1, 2].map((second) =>
      encodeFrame(FrameKind.refresh, counts, { nowNs: second * S, wallMs: second }),
    );
    const { lines } = await played(Buffer.concat([MAGIC, first, ...refreshes]));
    expect(some(lines.slice(1), "event", "closes_lost", "records_invalid")).toEqual([["summary", 0, null]]);
  });

  test("an operation ends the replay where it must not be left out; the refreshes before are whole", async () => {
    const critical = operation(99, 1, Buffer.alloc(1));
    const { result, lines } = await played(
      Buffer.concat([head, refresh(1), refresh(2), refresh(3, critical), refresh(4)]),
    );
    expect(lines.map(({ event }) => event)).toEqual(["start", "summary"]);
    expect(result).toMatchObject({
      exitCode: 64,
      message:
        "x.tcptop is a recording by tcptop 0.1.0, operation 99 of flows cannot be left out: use tcptop 0.1.0",
    });
  });
});

describe("records of another form", () => {
  /** One refresh with these records, under a schema. */
  async function connectionsOf(bytes: Uint8Array, record: object, order = byteOrder()) {
    const lens = { ...FLOWS_HEAD, abi: 9, schema: { ...FLOWS_HEAD.schema, record }, facts: FACTS };
    const header = { format: FORMAT_VERSION, byteOrder: order, ...INFO, lenses: [lens] };
    const first = encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header)));
    const reader = await RecordingReader.open(memorySource(Buffer.concat([MAGIC, first])), "x.tcptop");
    const player = reader.inHead(() => flowLens().recording?.player(reader.lenses[0] ?? null));
    player?.apply(2, Buffer.from(bytes));
    const snapshot = player?.refresh({ nowNs: 2 * S, wallMs: 0 });
    return FLOWS.of({ at: { nowNs: 2 * S, wallMs: 0 }, snapshots: new Map([["flows", snapshot as never]]) })
      .connections;
  }
  const fields = {
    id: 5n,
    bytesIn: 1234,
    flags: 2,
    pid: 77,
    process: "curl",
    processStartNs: 4 * S,
    inode: 11,
    timeNs: S,
  };

  test("are read by the schema of the file: fields of tomorrow are passed over, and those that have moved are found", async () => {
    const now = Buffer.from(encodeRecords(fields));
    const later = Buffer.concat([
      now.subarray(0, HEAD.bytes),
      Buffer.alloc(8, 0xee),
      now.subarray(HEAD.bytes),
    ]);
    later.writeUInt16LE(later.length, HEAD.size);
    const moved = Object.entries(RECORD_FIELDS).map(([name, [at, ...form]]) => [name, [at + 8, ...form]]);
    const record = {
      size: RECORD.size + 8,
      fields: { of_tomorrow: [16, 8, "u"], ...Object.fromEntries(moved) },
    };
    const [connection, ...others] = await connectionsOf(later, record);
    expect(others).toEqual([]);
    expect(connection).toMatchObject({ bytesIn: 1234, owner: { pid: 77, process: "curl", startNs: 4 * S } });
  });

  test("a field that they do not have is unknown", async () => {
    const { process_start_ns: _, inode: __, ...older } = RECORD_FIELDS;
    const [connection] = await connectionsOf(encodeRecords(fields), { size: RECORD.size, fields: older });
    expect(connection?.owner).toEqual({ pid: 77, process: "curl", uid: 0, cgroupId: null, startNs: null });
  });

  test("are read in the byte order of the file", async () => {
    const record = Buffer.from(encodeRecords(fields));
    for (const [name, [at, bytes, kind]] of [...Object.entries(RECORD_FIELDS), ...HEAD_FIELDS]) {
      if (kind === "u" && name !== "reserved") record.subarray(at, at + bytes).reverse();
    }
    const other = byteOrder() === "LE" ? "BE" : "LE";
    const form = { size: RECORD.size, fields: RECORD_FIELDS };
    const [connection] = await connectionsOf(record, form, other);
    expect(connection).toMatchObject({ bytesIn: 1234, owner: { pid: 77, process: "curl", startNs: 4 * S } });
    expect(await connectionsOf(record, form)).toEqual([]);
  });
});

const HEAD_FIELDS: readonly (readonly [
  name: string,
  form: readonly [at: number, bytes: number, kind: string],
])[] = [
  ["size", [HEAD.size, 2, "u"]],
  ["abi", [HEAD.abi, 2, "u"]],
  ["parts", [HEAD.parts, 2, "u"]],
  ["time_ns", [HEAD.time_ns, 8, "u"]],
];
