/** A recording that lies: it is read to its end, or refused in one line with exit code 64 or 74. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ExitError } from "../../../src/base/errors.ts";
import { sanitise } from "../../../src/base/sanitise.ts";
import { ABI as WIRE_VERSION } from "../../../src/lenses/flows/layout.gen.ts";
import { byteOrder, encodeFrame, FORMAT_VERSION, FrameKind, MAGIC } from "../../../src/recording/format.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import { INFO, memorySource } from "../../support/recordings.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { assertHarmless } from "../oracles/text.ts";

const CLOCK = { monotonicNs: () => 0, wallMs: () => 0 };

function header(choices: Choices): Buffer {
  const fields: Record<string, unknown> = {
    ...INFO,
    format: FORMAT_VERSION,
    wire: WIRE_VERSION,
    byteOrder: byteOrder(),
  };
  if (choices.flag()) {
    const values = [
      null,
      -1,
      1e308,
      {},
      [],
      [{}],
      choices.text(64),
      "x".repeat(5000),
      true,
      2,
      "0.1.0\x1b[2J",
    ];
    fields[choices.pick(Object.keys(fields))] = choices.pick(values);
  }
  return choices.byte() < 0xf0 ? Buffer.from(JSON.stringify(fields)) : choices.bytes(choices.below(64));
}

/** An operation by its code and the length it says; the length is mostly true. */
function operation(choices: Choices): Buffer {
  const code = choices.byte() < 0xe0 ? 1 + choices.below(6) : choices.byte();
  const contents = Buffer.from(
    code === 4 && choices.flag() ? Buffer.alloc(64) : choices.bytes(choices.below(250)),
  );
  const head = Buffer.alloc(5);
  head.writeUInt8(code, 0);
  head.writeUInt32LE(choices.byte() < 0xe0 ? contents.length : choices.unsigned(4), 1);
  return Buffer.concat([head, contents]);
}

/** A frame with right checksums, so that what is in it is looked at. */
function frame(choices: Choices, nowNs: number): Buffer {
  const operations: Buffer[] = [];
  for (let left = choices.below(4); left > 0; left--) operations.push(operation(choices));
  const isRefresh = choices.byte() < 0xa0;
  if (isRefresh && choices.flag())
    operations.push(Buffer.concat([Buffer.from([4, 64, 0, 0, 0]), Buffer.alloc(64)]));
  const kind = isRefresh ? FrameKind.refresh : choices.pick([FrameKind.part, FrameKind.info]);
  const at = isRefresh
    ? { nowNs: choices.byte() < 0xf0 ? nowNs : 0, wallMs: choices.count(2 ** 53) }
    : undefined;
  return encodeFrame(kind, Buffer.concat(operations), at);
}

function recording(choices: Choices): Buffer {
  if (choices.byte() >= 0xf0) return choices.rest();
  const frames = [MAGIC, encodeFrame(FrameKind.info, header(choices))];
  const harm = choices.byte();
  const place = choices.unsigned(2);
  for (let i = 1; !choices.isOver && i < 8; i++) frames.push(frame(choices, 1e9 * (i + 1)));
  const file = Buffer.concat(frames);
  const at = place % file.length;
  // One in four is cut, one in four has a wrong byte.
  if (harm % 4 === 1) return file.subarray(0, at);
  if (harm % 4 === 2) file.writeUInt8((file.readUInt8(at) + 1 + (harm >> 2)) & 0xff, at);
  return file;
}

/** What the reader gives, in order; its end is a text. */
async function read(bytes: Buffer, isSeekable: boolean): Promise<unknown[]> {
  const told: unknown[] = [];
  try {
    const reader = await RecordingReader.open(memorySource(bytes, isSeekable), "file");
    told.push(reader.info);
    if (isSeekable) {
      const span = await reader.span(CLOCK);
      assert.ok(span === null || span.firstNs <= span.lastNs);
    }
    let lastNs = 0;
    for (let next = await reader.next(); next !== null; next = await reader.next()) {
      assert.ok(!next.isRefresh || next.nowNs >= lastNs, "time runs backwards");
      if (next.isRefresh) lastNs = next.nowNs;
      told.push([next.isRefresh, next.nowNs, next.wallMs, ...next.operations()]);
      assert.ok(told.length <= bytes.length, "more frames than bytes");
    }
    told.push(reader.isUnfinished);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    assert.ok([64, 74].includes(error.exitCode), `exit ${error.exitCode}`);
    assertHarmless(sanitise(error.message));
    told.push(error.message);
  }
  return told;
}

export const target: Target = {
  async run(input) {
    const bytes = recording(new Choices(input));
    // Through a pipe it says the same as from a file.
    assert.deepEqual(await read(bytes, false), await read(bytes, true));
  },
  maxBytes: 2048,
};
