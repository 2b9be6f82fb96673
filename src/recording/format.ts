/** The file of a recording: what the aggregator was told, one independent frame a refresh. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import type { TableSizes } from "../model/bounds.ts";

/**
 * Raised by every change that an older reader would misunderstand; the header's frame never changes. Files of all
 * versions from 1 on can be read: 2 added operations.
 */
export const FORMAT_VERSION = 2;

/** What a recording begins with; like PNG's, no text file does, and a transfer as text breaks it. */
export const MAGIC = Buffer.from("\x89tcptop\n", "latin1");

/** Numbers in records are in the byte order of the machine that recorded. */
export const byteOrder = endianness;

/** The world at its start, and who has seen it. */
export interface RecordingInfo {
  /** Of the tcptop that recorded. */
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  readonly stepDowns: readonly { readonly backend: string; readonly reason: string }[];
  readonly tableSizes: TableSizes;
  readonly udpIdleNs: number;
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
}

export const FrameKind = {
  /** The first, and no other: `RecordingInfo` and versions as JSON. */
  info: 1,
  /** Operations that belong to the refresh of a later frame. */
  part: 2,
  /** Operations up to a refresh. */
  refresh: 3,
} as const;
export type FrameKindValue = (typeof FrameKind)[keyof typeof FrameKind];

/** What a frame says of itself, readable without its contents. */
export interface FrameHead {
  readonly kind: FrameKindValue;
  /** Of the compressed contents, which follow. */
  readonly bytes: number;
  /** Of the contents. */
  readonly rawBytes: number;
  /** CRC-32 of the compressed contents. */
  readonly checksum: number;
  /** The refresh, CLOCK_MONOTONIC; 0 in other frames. */
  readonly nowNs: number;
  /** The refresh, milliseconds since 1970; 0 in other frames. */
  readonly wallMs: number;
}

/** Offsets of the head's fields, little-endian; the last one is its own CRC-32. */
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

/** A reader takes no larger frame, so that a hostile file cannot make it take memory. */
export const MOST_RAW_BYTES = 16 << 20;

/** Deflate never makes more of it than this (stored blocks: 5 bytes per 16 kB, and some at the end). */
const MOST_BYTES = MOST_RAW_BYTES + (MOST_RAW_BYTES >> 10) + 64;

/** The last moment that Date can hold. */
const MOST_WALL_MS = 8.64e15;

/** 285 years: CLOCK_MONOTONIC is 64 bits wide in the kernel. */
const MOST_NOW_NS = 2 ** 63;

/** Bytes that are no frame of this format; the message completes `is damaged: `. */
export class DamageError extends Error {}

/** A frame as it is written: head and compressed contents. */
export function encodeFrame(
  kind: FrameKindValue,
  contents: Uint8Array,
  at: { readonly nowNs: number; readonly wallMs: number } = { nowNs: 0, wallMs: 0 },
): Buffer {
  // The last level that is cheap: see ADR 9.
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

/** Reads a frame's first HEAD_BYTES; throws DamageError when they are none. */
export function decodeHead(head: Buffer): FrameHead {
  if (head.readUInt32LE(HEAD.headChecksum) !== crc32(head.subarray(0, HEAD.headChecksum)))
    throw new DamageError("a frame's head has a wrong checksum");
  const kind = head.readUInt8(HEAD.kind);
  const bytes = head.readUInt32LE(HEAD.bytes);
  const rawBytes = head.readUInt32LE(HEAD.rawBytes);
  const nowNs = head.readDoubleLE(HEAD.nowNs);
  const wallMs = head.readDoubleLE(HEAD.wallMs);
  const isUsual =
    isKind(kind) &&
    head.readUIntLE(HEAD.kind + 1, 3) === 0 &&
    bytes <= MOST_BYTES &&
    rawBytes <= MOST_RAW_BYTES &&
    nowNs >= 0 &&
    nowNs <= MOST_NOW_NS &&
    wallMs >= 0 &&
    wallMs <= MOST_WALL_MS;
  if (!isUsual) throw new DamageError("a frame's head has an impossible value");
  return { kind, bytes, rawBytes, checksum: head.readUInt32LE(HEAD.checksum), nowNs, wallMs };
}

/** The contents of a frame; throws DamageError when they are not what the head says. */
export function decodeContents({ rawBytes, checksum }: FrameHead, compressed: Buffer): Buffer {
  if (crc32(compressed) !== checksum) throw new DamageError("a frame has a wrong checksum");
  let contents: Buffer;
  try {
    contents = inflateRawSync(compressed, { maxOutputLength: Math.max(1, rawBytes) });
  } catch {
    throw new DamageError("a frame cannot be decompressed");
  }
  if (contents.length !== rawBytes) throw new DamageError("a frame has another size than it says");
  return contents;
}
