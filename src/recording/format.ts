/** The file of a recording: what reached the models, one independent frame a refresh. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import { DamageError } from "../base/errors.ts";
import type { HeadMember, RecordedForm } from "../core/recording.ts";
import type { Privileges } from "../platform/platform.ts";

/** Raised by every change that an older reader would misunderstand; the header's frame never changes. */
export const FORMAT_VERSION = 3;

/** The first bytes of a recording. As in PNG, no text file begins so, and a transfer as text changes them. */
export const MAGIC = Buffer.from("\x89tcptop\n", "latin1");

/** Numbers in records are in the byte order of the machine that recorded. */
export const byteOrder = endianness;

/** The machine and the capture that were recorded. */
export interface RecordingInfo {
  /** The recording tcptop's version. */
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  readonly stepDowns: readonly { readonly backend: string; readonly reason: string }[];
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  /** What the recorder might still do; absent or null: not known. */
  readonly privileges?: Privileges | null;
}

/** A lens in the first frame. */
export interface LensHead extends RecordedForm {
  /** Whether a reader that does not know the lens must not play the recording without it. */
  readonly isCritical: boolean;
  readonly facts: HeadMember;
}

/** The head of an operation: whose it is, which one, its flags, and the size of the fields behind. */
export const OPERATION = { lens: 0, number: 1, flags: 2, bytes: 4 } as const;
export const OPERATION_BYTES = 8;

export const OperationFlag = {
  /** A reader that knows the lens, but not the operation, must not step over it. */
  critical: 1,
  /** The last one of its lens in a refresh. */
  last: 2,
} as const;

export const FrameKind = {
  /** Only the first frame: `RecordingInfo`, version, byte order and lenses as JSON. */
  info: 1,
  /** Operations that belong to the refresh of a later frame. */
  part: 2,
  /** The last operations of a refresh. */
  refresh: 3,
} as const;
export type FrameKindValue = (typeof FrameKind)[keyof typeof FrameKind];

/** A frame's description of its contents, readable without them. */
export interface FrameHead {
  readonly kind: FrameKindValue;
  /** Size of the compressed contents, which follow. */
  readonly bytes: number;
  /** Size of the contents before compression. */
  readonly rawBytes: number;
  /** CRC-32 of the compressed contents. */
  readonly checksum: number;
  /** Time of the refresh, CLOCK_MONOTONIC; 0 in other frames. */
  readonly nowNs: number;
  /** Time of the refresh, milliseconds since 1970; 0 in other frames. */
  readonly wallMs: number;
}

/** Offsets of the head's fields, little-endian; the last field is the CRC-32 of those before. */
const HEAD = {
  kind: 0,
  bytes: 4,
  rawBytes: 8,
  checksum: 12,
  nowNs: 16,
  wallMs: 24,
  headChecksum: 32,
} as const;
export const HEAD_BYTES = 36;

/** The largest frame that a reader accepts: a hostile file must not make it allocate memory. */
export const MOST_RAW_BYTES = 16 << 20;

/** The most that deflate makes of such a frame (stored blocks: 5 bytes per 16 kB, and some at the end). */
const MOST_BYTES = MOST_RAW_BYTES + (MOST_RAW_BYTES >> 10) + 64;

/** The last moment that Date can hold. */
const MOST_WALL_MS = 8.64e15;

/** 285 years: CLOCK_MONOTONIC is 64 bits wide in the kernel. */
const MOST_NOW_NS = 2 ** 63;

/** A whole frame: head and compressed contents. */
export function encodeFrame(
  kind: FrameKindValue,
  contents: Uint8Array,
  at: { readonly nowNs: number; readonly wallMs: number } = { nowNs: 0, wallMs: 0 },
): Buffer {
  // The highest level that is cheap (ADR 9).
  const compressed = deflateRawSync(contents, { level: 3 });
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(kind, HEAD.kind);
  head.writeUInt32LE(compressed.length, HEAD.bytes);
  head.writeUInt32LE(contents.length, HEAD.rawBytes);
  head.writeUInt32LE(crc32(compressed), HEAD.checksum);
  head.writeDoubleLE(at.nowNs, HEAD.nowNs);
  head.writeDoubleLE(at.wallMs, HEAD.wallMs);
  head.writeUInt32LE(crc32(head.subarray(0, HEAD.headChecksum)), HEAD.headChecksum);
  return Buffer.concat([head, compressed]);
}

function isKind(value: number): value is FrameKindValue {
  return value >= FrameKind.info && value <= FrameKind.refresh;
}

function mustBe(isTrue: boolean, field: string, rule: string): void {
  if (!isTrue) throw new DamageError(`field ${field} of the frame head is not ${rule}`);
}

/** Reads a frame's first HEAD_BYTES. Throws DamageError for bytes that are not a frame head. */
export function decodeHead(head: Buffer): FrameHead {
  if (head.readUInt32LE(HEAD.headChecksum) !== crc32(head.subarray(0, HEAD.headChecksum)))
    throw new DamageError("the checksum of the frame head is wrong");
  const kind = head.readUInt8(HEAD.kind);
  const bytes = head.readUInt32LE(HEAD.bytes);
  const rawBytes = head.readUInt32LE(HEAD.rawBytes);
  const nowNs = head.readDoubleLE(HEAD.nowNs);
  const wallMs = head.readDoubleLE(HEAD.wallMs);
  if (!isKind(kind)) throw new DamageError("field kind of the frame head is not 1, 2 or 3");
  mustBe(head.readUIntLE(HEAD.kind + 1, 3) === 0, "reserved", "0");
  mustBe(bytes <= MOST_BYTES, "bytes", `a number up to ${MOST_BYTES}`);
  mustBe(rawBytes <= MOST_RAW_BYTES, "raw_bytes", `a number up to ${MOST_RAW_BYTES}`);
  mustBe(nowNs >= 0 && nowNs <= MOST_NOW_NS, "now_ns", "a number from 0 to 2^63");
  mustBe(wallMs >= 0 && wallMs <= MOST_WALL_MS, "wall_ms", "a number from 0 to 8.64e15");
  return { kind, bytes, rawBytes, checksum: head.readUInt32LE(HEAD.checksum), nowNs, wallMs };
}

/** The contents of a frame. Throws DamageError where they differ from what the head says. */
export function decodeContents({ rawBytes, checksum }: FrameHead, compressed: Buffer): Buffer {
  if (crc32(compressed) !== checksum) throw new DamageError("the checksum of the frame is wrong");
  let contents: Buffer;
  try {
    contents = inflateRawSync(compressed, { maxOutputLength: Math.max(1, rawBytes) });
  } catch {
    throw new DamageError("the frame cannot be decompressed");
  }
  if (contents.length !== rawBytes)
    throw new DamageError("the size of the frame is not that in field raw_bytes");
  return contents;
}
