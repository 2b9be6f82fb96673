/** A recording that lies: it is read to its end, or refused in one line with exit code 64 or 74. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ExitError } from "../../../src/base/errors.ts";
import { sanitise } from "../../../src/base/sanitise.ts";
import { FlowPlayer } from "../../../src/lenses/flows/player.ts";
import { byteOrder, encodeFrame, FORMAT_VERSION, FrameKind, MAGIC } from "../../../src/recording/format.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import { FACTS, FLOWS_HEAD, INFO, memorySource } from "../../support/recordings.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { assertHarmless } from "../oracles/text.ts";

const CLOCK = { monotonicNs: () => 0, wallMs: () => 0 };

const BELLS = { number: 250, id: "bells", abi: 1, isCritical: false, schema: {}, facts: {} };

/** One of the values that a head must not have, or some text. */
function strange(choices: Choices): unknown {
  const values = [
    ...[null, -1, 1e308, {}, [], [{}], choices.text(64), "x".repeat(5000), true, 2, "0.1.0\x1b[2J"],
    ...[[16, 8, "u"], [0, 8, "u"], [65_530, 8, "u"], 65_535, 192, ["flows_untracked", "flows_untracked"]],
  ];
  return choices.pick(values);
}

/** The object with one member, however deep, that is something else. */
function spoilt(choices: Choices, object: object): object {
  const fields: Record<string, unknown> = { ...object };
  const name = choices.pick(Object.keys(fields));
  const value = fields[name];
  const isDeep = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (!isDeep || choices.byte() < 0x40) fields[name] = strange(choices);
  else if (Array.isArray(value)) fields[name] = Object.values(spoilt(choices, { ...value }));
  else fields[name] = spoilt(choices, value);
  return fields;
}

/** The contents of the first frame. */
function header(choices: Choices, isOld: boolean): Buffer {
  const lenses = choices.flag() ? [FLOWS_HEAD] : [FLOWS_HEAD, BELLS];
  const order = { byteOrder: choices.byte() < 0xe0 ? byteOrder() : "BE" };
  const whole = isOld
    ? { ...INFO, ...FACTS, ...order, format: 1 + choices.below(2), wire: 1 + choices.below(2) }
    : { ...INFO, ...order, format: FORMAT_VERSION, lenses };
  const fields = choices.flag() ? spoilt(choices, whole) : whole;
  return choices.byte() < 0xf0 ? Buffer.from(JSON.stringify(fields)) : choices.bytes(choices.below(64));
}

function operationHead(isOld: boolean, lens: number, number: number, flags: number, bytes: number): Buffer {
  const head = Buffer.alloc(isOld ? 5 : 8);
  head.writeUInt32LE(bytes, isOld ? 1 : 4);
  if (isOld) head.writeUInt8(number, 0);
  else head.set([lens, number, flags]);
  return head;
}

/** An operation by its number and the length it says; the length is mostly true. */
function operation(choices: Choices, isOld: boolean): Buffer {
  const number = choices.byte() < 0xe0 ? 1 + choices.below(6) : choices.byte();
  const lens = choices.byte() < 0xd0 ? 1 : choices.pick([250, 250, choices.byte()]);
  const flags = choices.byte() < 0xd0 ? 1 : choices.byte();
  const contents = Buffer.from(
    number === 4 && choices.flag() ? Buffer.alloc(64) : choices.bytes(choices.below(250)),
  );
  const length = choices.byte() < 0xe0 ? contents.length : choices.unsigned(4);
  return Buffer.concat([operationHead(isOld, lens, number, flags, length), contents]);
}

/** What ends a refresh, mostly of both lenses. */
function ending(choices: Choices, isOld: boolean): Buffer {
  const losses = Buffer.concat([operationHead(isOld, 1, 4, 3, 64), Buffer.alloc(64)]);
  if (isOld || choices.flag()) return losses;
  return Buffer.concat([losses, operationHead(false, 250, 1, 2, 0)]);
}

/** A frame with right checksums, so that what is in it is looked at. */
function frame(choices: Choices, nowNs: number, isOld: boolean): Buffer {
  const operations: Buffer[] = [];
  for (let left = choices.below(4); left > 0; left--) operations.push(operation(choices, isOld));
  const isRefresh = choices.byte() < 0xa0;
  if (isRefresh && choices.byte() < 0xc0) operations.push(ending(choices, isOld));
  const kind = isRefresh ? FrameKind.refresh : choices.pick([FrameKind.part, FrameKind.info]);
  const at = isRefresh
    ? { nowNs: choices.byte() < 0xf0 ? nowNs : 0, wallMs: choices.count(2 ** 53) }
    : undefined;
  return encodeFrame(kind, Buffer.concat(operations), at);
}

function recording(choices: Choices): Buffer {
  if (choices.byte() >= 0xf0) return choices.rest();
  const isOld = choices.byte() < 0x60;
  const frames = [MAGIC, encodeFrame(FrameKind.info, header(choices, isOld))];
  const harm = choices.byte();
  const place = choices.unsigned(2);
  for (let i = 1; !choices.isOver && i < 8; i++) frames.push(frame(choices, 1e9 * (i + 1), isOld));
  const file = Buffer.concat(frames);
  const at = place % file.length;
  // One in four is cut, one in four has a wrong byte.
  if (harm % 4 === 1) return file.subarray(0, at);
  if (harm % 4 === 2) file.writeUInt8((file.readUInt8(at) + 1 + (harm >> 2)) & 0xff, at);
  return file;
}

/** What the reader and the lens of flows give, in order; its end is a text. */
async function read(bytes: Buffer, isSeekable: boolean): Promise<unknown[]> {
  const told: unknown[] = [];
  try {
    const reader = await RecordingReader.open(memorySource(bytes, isSeekable), "file");
    told.push(reader.info, reader.lenses);
    const flows = reader.lenses.find(({ number }) => number === 1) ?? null;
    const player = reader.inHead(() => new FlowPlayer(flows, true));
    told.push(player.facts);
    if (isSeekable) {
      const span = await reader.span(CLOCK);
      assert.ok(span === null || span.firstNs <= span.lastNs);
    }
    let lastNs = 0;
    for (let next = await reader.next(); next !== null; next = await reader.next()) {
      assert.ok(!next.isRefresh || next.nowNs >= lastNs, "time runs backwards");
      if (next.isRefresh) lastNs = next.nowNs;
      const operations: unknown[] = [];
      next.read(({ lens, number, isCritical, bytes: fields }) => {
        const isKnown = lens === 1 && player.apply(number, fields);
        operations.push([lens, number, isCritical, fields.length, isKnown]);
      });
      told.push([next.isRefresh, next.nowNs, next.wallMs, operations]);
      if (next.isRefresh) told.push(player.refresh(next).connections.length);
      assert.ok(operations.length <= bytes.length * 1100, "more operations than bytes");
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
