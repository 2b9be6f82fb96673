import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { RECORD_FIELDS } from "../../../src/lenses/flows/layout.gen.ts";
import { LOSS_NAMES } from "../../../src/lenses/flows/losses.ts";
import {
  byteOrder,
  encodeFrame,
  FORMAT_VERSION,
  FrameKind,
  HEAD_BYTES,
  type LensHead,
  MAGIC,
  MOST_RAW_BYTES,
} from "../../../src/recording/format.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import {
  type Call,
  FACTS,
  FLOWS_HEAD,
  INFO,
  memorySource,
  readAll,
  record,
} from "../../support/recordings.ts";
import { NO_LOSSES, seedEntry } from "../../support/records.ts";
import { FakeWorld, systemError } from "../../support/world.ts";

/** Of format 2, which has one lens and no schema. */
const OLD_HEADER = { format: 2, wire: 2, byteOrder: byteOrder(), ...INFO, ...FACTS };
const HEADER = { format: FORMAT_VERSION, byteOrder: byteOrder(), ...INFO, lenses: [FLOWS_HEAD] };

/** The header with another form of flows. */
function withFlows(fields: object): object {
  return { ...HEADER, lenses: [{ ...FLOWS_HEAD, ...fields }] };
}

/** A header with other records of flows. */
function withRecord(record: object): object {
  return withFlows({ schema: { ...FLOWS_HEAD.schema, record } });
}

/** A recording with this header and these frames. */
function file(header: unknown, ...frames: Uint8Array[]): Buffer {
  return Buffer.concat([MAGIC, encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header))), ...frames]);
}

async function errorOf(bytes: Buffer) {
  return (await readAll(memorySource(bytes))).error;
}

const SECONDS: readonly Call[] = [1, 2, 3, 7].map((s) => ["refresh", s * 1e9, s * 1e3, NO_LOSSES]);

const CONFINED = {
  ...{ uid: 1000, capabilities: [], hasNoNewPrivs: true, hasLandlock: true, hasSeccomp: true },
  brokerCapabilities: ["CAP_BPF"],
};
const PRIVILEGES =
  "memory: byte 8: field privileges of the first frame is not a user's number, capabilities and what confines them";

describe("is refused in one line", () => {
  test.for([
    ["nothing at all", Buffer.alloc(0), 64, "memory is empty; --record makes one"],
    ["text", Buffer.from("time,event\n"), 64, "memory is not a recording of tcptop; --record makes one"],
    [
      "what a transfer as text has broken",
      Buffer.from("\x89tcptop\r\n", "latin1"),
      64,
      "memory is not a recording of tcptop; --record makes one",
    ],
    [
      "a newer format",
      file({ format: 9, version: "3.0.0" }),
      64,
      "memory is a recording by tcptop 3.0.0 in format 9; this tcptop reads formats up to 3: use tcptop 3.0.0",
    ],
    [
      "records of a newer version in an old format",
      file({ ...OLD_HEADER, wire: 3 }),
      64,
      "memory is a recording by tcptop 0.1.0, records of flows have version 3: use tcptop 0.1.0",
    ],
    [
      "an old format in another byte order",
      file({ ...OLD_HEADER, byteOrder: "BE" }),
      64,
      "memory is a recording in format 2 from a machine with another byte order, which cannot be read",
    ],
    [
      "a byte order that is none",
      file({ ...HEADER, byteOrder: "??" }),
      74,
      "memory: byte 8: field byteOrder of the first frame is not LE or BE",
    ],
    ["a header that is no object", file(7), 74, "memory: byte 8: the first frame is not a JSON object"],
    [
      "a version that is none",
      file({ ...HEADER, version: "1\x1b[2J" }),
      74,
      "memory: byte 8: field version of the first frame is not a version",
    ],
    [
      "a start before the beginning",
      file({ ...HEADER, startNs: -1 }),
      74,
      "memory: byte 8: field startNs of the first frame is not a number from 0",
    ],
    [
      "reasons that are none",
      file({ ...HEADER, stepDowns: [{ backend: 1 }] }),
      74,
      "memory: byte 8: field stepDowns of the first frame is not a list of backends and reasons",
    ],
    ["privileges that are none", file({ ...HEADER, privileges: [] }), 74, PRIVILEGES],
    ["privileges of no user", file({ ...HEADER, privileges: { ...CONFINED, uid: -1 } }), 74, PRIVILEGES],
    [
      "a capability that would be drawn on the terminal",
      file({ ...HEADER, privileges: { ...CONFINED, brokerCapabilities: ["\x1b[2J"] } }),
      74,
      PRIVILEGES,
    ],
    [
      "more capabilities than there are",
      file({ ...HEADER, privileges: { ...CONFINED, capabilities: new Array(65).fill("CAP_BPF") } }),
      74,
      PRIVILEGES,
    ],
    [
      "a filter that is neither there nor not",
      file({ ...HEADER, privileges: { ...CONFINED, hasSeccomp: 2 } }),
      74,
      PRIVILEGES,
    ],
    [
      "table sizes that are none",
      file(withFlows({ facts: { ...FACTS, tableSizes: { maxTcpFlows: -1, maxUdpFlows: 2 } } })),
      74,
      "memory: byte 8: field tableSizes of flows in the first frame is not two whole numbers or null",
    ],
    [
      "no lens",
      file({ ...HEADER, lenses: [] }),
      74,
      "memory: byte 8: field lenses of the first frame is not a list of 1 to 255 objects",
    ],
    [
      "two lenses of one number",
      file({ ...HEADER, lenses: [FLOWS_HEAD, { ...FLOWS_HEAD, id: "other" }] }),
      74,
      "memory: byte 8: field lenses of the first frame is not a list of different lenses, by their number",
    ],
    [
      "a lens of number 0",
      file(withFlows({ number: 0 })),
      74,
      "memory: byte 8: field number of a lens of the first frame is not a number from 1 to 255",
    ],
    [
      "a lens that acts on a terminal",
      file(withFlows({ id: "x\x1b[2J" })),
      74,
      "memory: byte 8: field id of a lens of the first frame is not a name",
    ],
    [
      "records without a size",
      file(withRecord({ fields: {} })),
      74,
      "memory: byte 8: field schema.record.size of flows in the first frame is not a size of records",
    ],
    [
      "records without what flows have always had",
      file(withRecord({ size: 64, fields: { id: [16, 8, "u"] } })),
      74,
      "memory: byte 8: field schema.record.fields of flows in the first frame is not complete: opened_ns is missing",
    ],
    ...(
      [
        [184, 9],
        [185, 8],
        [15, 8],
        [-1, 8],
        [16.5, 8],
        [16, 0],
        ["16", 8],
      ] as const
    ).map(
      ([offset, bytes]) =>
        [
          `a field of ${bytes} bytes at ${offset}`,
          file(withRecord({ size: 192, fields: { id: [offset, bytes, "u"] } })),
          74,
          "memory: byte 8: field schema.record.fields of flows in the first frame is not fields with offset, bytes and kind",
        ] as const,
    ),
    [
      "a field that has grown",
      file(withRecord({ size: 300, fields: { ...RECORD_FIELDS, pid: [200, 8, "u"] } })),
      64,
      "memory is a recording by tcptop 0.1.0, field pid of flows has another form: use tcptop 0.1.0",
    ],
    [
      "counters that are none",
      file(withFlows({ schema: { ...FLOWS_HEAD.schema, losses: ["a", "a"] } })),
      74,
      "memory: byte 8: field schema.losses of flows in the first frame is not a list of at most 64 counters",
    ],
    [
      "a first frame of another kind",
      Buffer.concat([MAGIC, encodeFrame(FrameKind.part, Buffer.alloc(0))]),
      74,
      "memory: byte 8: field kind of the first frame is not 1 (info)",
    ],
  ] as const)("%s", async ([, bytes, exitCode, message]) => {
    expect(await errorOf(bytes)).toMatchObject({ exitCode, message });
  });

  test("a source that cannot be read", async () => {
    const source = {
      ...memorySource(record(SECONDS)),
      read: () => Promise.reject(systemError("EIO", "EIO: i/o error, read")),
    };
    expect((await readAll(source)).error).toMatchObject({
      exitCode: 74,
      message: "cannot read memory: EIO: i/o error",
    });
  });
});

describe("hostile frames with right checksums", () => {
  const at = { nowNs: 1e9, wallMs: 0 };
  const operation = (code: number, contents: Uint8Array) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(code);
    head.writeUInt32LE(contents.length, 1);
    return Buffer.concat([head, contents]);
  };
  const losses = operation(4, Buffer.alloc(64));
  const refresh = (...parts: Uint8Array[]) => encodeFrame(FrameKind.refresh, Buffer.concat(parts), at);
  const start = file(OLD_HEADER).length;

  test.for([
    [
      "a second beginning",
      encodeFrame(FrameKind.info, Buffer.from("{}")),
      "field kind of a later frame is 1 (info)",
    ],
    ["a refresh without an end", refresh(), "the last operation of flows in a refresh is missing"],
    [
      "a refresh with two ends",
      refresh(losses, losses),
      "operation 4 of flows follows its last one in a refresh",
    ],
    [
      "an end in a part",
      encodeFrame(FrameKind.part, losses),
      "the last operation of flows is in a frame of kind 2 (part)",
    ],
    [
      "an operation longer than its frame",
      refresh(Buffer.from([2, 255, 255, 255, 255])),
      "the frame ends before its last operation",
    ],
    ["a cut operation", refresh(Buffer.from([2, 0])), "the frame ends before its last operation"],
    [
      "half a count",
      refresh(operation(4, Buffer.alloc(63))),
      "field seed_lines_skipped reaches past the end of its operation",
    ],
    [
      "too many counts",
      refresh(operation(4, Buffer.alloc(8 * LOSS_NAMES.length + 1))),
      "bytes follow the last field of an operation",
    ],
    [
      "a count that is none",
      refresh(operation(4, Buffer.alloc(64, 0xff))),
      "field flows_untracked is not a whole number from 0 to 2^64",
    ],
    [
      "a negative count",
      refresh(operation(4, Buffer.alloc(64, 0xbf))),
      "field flows_untracked is not a whole number from 0 to 2^64",
    ],
    [
      "a socket of no protocol",
      refresh(operation(3, Buffer.from([1, 0, 0])), losses),
      "field proto is neither 6 (TCP) nor 17 (UDP)",
    ],
    [
      "a socket in no state",
      refresh(operation(3, Buffer.from([1, 6, 14])), losses),
      "field state is not a number from 0 to 13",
    ],
    [
      "an address that is none",
      refresh(operation(3, Buffer.from("\x01\x06\x01\x031.2")), losses),
      "field local_address is not an IP address",
    ],
    [
      "an address in another spelling",
      refresh(operation(3, Buffer.from("\x01\x06\x01\x04::00")), losses),
      "field local_address is not in canonical form",
    ],
    [
      "an endless address",
      refresh(operation(3, Buffer.from("\x01\x06\x01\xff", "latin1")), losses),
      "field local_address is longer than 39 bytes",
    ],
    [
      "a flag that is none",
      refresh(operation(3, Buffer.from([2])), losses),
      "field is_last is neither 0 nor 1",
    ],
    [
      "time before the beginning",
      encodeFrame(FrameKind.refresh, losses, { nowNs: -1, wallMs: 0 }),
      "field now_ns of the frame head is not a number from 0 to 2^63",
    ],
    [
      "no time at all",
      encodeFrame(FrameKind.refresh, losses, { nowNs: Number.NaN, wallMs: 0 }),
      "field now_ns of the frame head is not a number from 0 to 2^63",
    ],
    [
      "a time that no calendar has",
      encodeFrame(FrameKind.refresh, losses, { nowNs: 0, wallMs: 1e300 }),
      "field wall_ms of the frame head is not a number from 0 to 8.64e15",
    ],
    ["an unknown kind", encodeFrame(7 as 3, losses, at), "field kind of the frame head is not 1, 2 or 3"],
    [
      "more than a frame may hold",
      encodeFrame(FrameKind.part, Buffer.alloc(MOST_RAW_BYTES + 1)),
      "field raw_bytes of the frame head is not a number up to 16777216",
    ],
  ] as const)("%s", async ([, frame, what]) => {
    expect(await errorOf(file(OLD_HEADER, frame))).toMatchObject({
      exitCode: 74,
      message: `memory: byte ${start}: ${what}`,
    });
  });

  test("time that runs backwards", async () => {
    const later = encodeFrame(FrameKind.refresh, losses, { nowNs: 2e9, wallMs: 0 });
    expect(await errorOf(file(OLD_HEADER, later, refresh(losses)))).toMatchObject({
      message: `memory: byte ${start + later.length}: field now_ns is less than that of the frame before`,
    });
  });

  test.for([
    ["more", 100_000_000],
    ["less", 10],
  ] as const)("contents that are %s than the head says", async ([, size]) => {
    const compressed = deflateRawSync(Buffer.alloc(size));
    const head = Buffer.from(encodeFrame(FrameKind.part, Buffer.alloc(1000)).subarray(0, HEAD_BYTES));
    head.writeUInt32LE(compressed.length, 4);
    head.writeUInt32LE(crc32(compressed), 12);
    head.writeUInt32LE(crc32(head.subarray(0, 32)), 32);
    expect(await errorOf(file(OLD_HEADER, head, compressed))).toMatchObject({
      message: expect.stringMatching(
        /: the (frame cannot be decompressed|size of the frame is not that in field raw_bytes)$/,
      ),
    });
  });
});

describe("hostile operations of several lenses", () => {
  const bells: LensHead = { number: 250, id: "bells", abi: 1, isCritical: false, schema: {}, facts: {} };
  const header = { ...HEADER, lenses: [FLOWS_HEAD, bells] };
  const operation = (lens: number, number: number, flags: number, contents = Buffer.alloc(0)) => {
    const head = Buffer.alloc(8);
    head.set([lens, number]);
    head.writeUInt16LE(flags, 2);
    head.writeUInt32LE(contents.length, 4);
    return Buffer.concat([head, contents]);
  };
  const losses = operation(1, 4, 3, Buffer.alloc(64));
  const last = operation(250, 9, 2);
  const frame = (kind: 2 | 3, ...parts: Uint8Array[]) =>
    encodeFrame(kind, Buffer.concat(parts), { nowNs: kind === 3 ? 1e9 : 0, wallMs: 0 });
  const start = file(header).length;

  test.for([
    [
      "a refresh that a lens does not end",
      frame(3, losses),
      "the last operation of bells in a refresh is missing",
    ],
    [
      "one of no lens",
      frame(3, losses, last, operation(7, 1, 0)),
      "operation 1 is of lens 7, not one of the first frame",
    ],
    [
      "one behind the last",
      frame(3, last, operation(250, 1, 0), losses),
      "operation 1 of bells follows its last one in a refresh",
    ],
    ["a last one in a part", frame(2, last), "the last operation of bells is in a frame of kind 2 (part)"],
    ["half a head", frame(3, last.subarray(0, 7)), "the frame ends before its last operation"],
    [
      "one that is longer than its frame",
      frame(3, Buffer.from([250, 1, 0, 0, 255, 255, 255, 255])),
      "the frame ends before its last operation",
    ],
  ] as const)("%s", async ([, bytes, what]) => {
    const reader = await RecordingReader.open(memorySource(Buffer.concat([file(header), bytes])), "memory");
    const one = await reader.next();
    const seen: number[] = [];
    expect(() => one?.read(({ lens }) => seen.push(lens))).toThrow(
      expect.objectContaining({ exitCode: 74, message: `memory: byte ${start}: ${what}` }),
    );
  });
});

describe("a reader", () => {
  const open = (isSeekable = true) =>
    RecordingReader.open(memorySource(record([["seed", 5, seedEntry()], ...SECONDS]), isSeekable), "memory");
  const { clock } = new FakeWorld();

  async function times(reader: RecordingReader): Promise<number[]> {
    const read: number[] = [];
    for (let frame = await reader.next(); frame !== null; frame = await reader.next()) read.push(frame.nowNs);
    return read;
  }

  test("goes back to the first refresh", async () => {
    const reader = await open();
    expect(await times(reader)).toEqual([1e9, 2e9, 3e9, 7e9]);
    reader.rewind();
    expect(await times(reader)).toEqual([1e9, 2e9, 3e9, 7e9]);
  });

  test("knows the span without losing its place", async () => {
    const reader = await open();
    await reader.next();
    expect(await reader.span(clock)).toEqual({ firstNs: 1e9, lastNs: 7e9 });
    expect((await reader.next())?.nowNs).toBe(2e9);
  });

  test("knows the span up to damage, none of what comes only once, none of nothing", async () => {
    const bytes = record(SECONDS);
    const spanOf = async (what: Buffer) =>
      (await RecordingReader.open(memorySource(what), "memory")).span(clock);
    expect(await spanOf(bytes.subarray(0, -1))).toEqual({ firstNs: 1e9, lastNs: 3e9 });
    const lastHead = record(SECONDS.slice(0, 3)).length;
    bytes.writeUInt8(9, lastHead);
    expect(await spanOf(bytes)).toEqual({ firstNs: 1e9, lastNs: 3e9 });
    expect(await (await open(false)).span(clock)).toBeNull();
    expect(await (await RecordingReader.open(memorySource(record([])), "memory")).span(clock)).toBeNull();
  });
});
