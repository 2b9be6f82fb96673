/** Batches of records, owners and losses: what the decoder reads must be what a plain reading of bpf/flows/wire.h gives. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { decodeLosses, decodeOwners, decodeRecords } from "../../../src/lenses/flows/decode.ts";
import { LOSSES, OWNER } from "../../../src/lenses/flows/layout.gen.ts";
import { copyRecord } from "../../support/records.ts";
import type { Target } from "../engine/target.ts";
import { addressText } from "../oracles/address.ts";

const LITTLE = endianness() === "LE";

function nameIn(bytes: Uint8Array, at: number): string {
  const field = bytes.subarray(at, at + 16);
  const end = field.indexOf(0);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(end === -1 ? field : field.subarray(0, end));
}

/** The fields of the record at `at`, null if it must be dropped. */
function readRecord(bytes: Uint8Array, at: number, size: number): object | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
  const u64 = (offset: number): number => Number(view.getBigUint64(offset, LITTLE));
  const u32 = (offset: number): number => view.getUint32(offset, LITTLE);
  const u8 = (offset: number): number => view.getUint8(offset);
  if (u8(2) !== 1 || size < 192) return null;
  const [kind, proto, state] = [3, 156, 157].map(u8) as [number, number, number];
  const isTcp = proto === 6 && state >= 1 && state <= 13;
  const isUdp = proto === 17 && state === 0;
  if (kind < 1 || kind > 6 || !(isTcp || isUdp)) return null;
  return {
    kind,
    id: view.getBigUint64(16, LITTLE),
    timeNs: u64(8),
    openedNs: u64(24),
    activeNs: u64(32),
    proto,
    state,
    flags: u32(160),
    bytesIn: u64(40),
    bytesOut: u64(48),
    packetsIn: u64(56),
    packetsOut: u64(64),
    bytesRetrans: u64(72),
    cgroupId: view.getBigUint64(80, LITTLE),
    srttUs: u32(88),
    rttvarUs: u32(92),
    minRttUs: u32(96),
    retransmits: u32(100),
    sndCwnd: u32(104),
    pid: u32(108),
    uid: u32(112),
    netns: u32(116),
    inode: u32(164),
    processStartNs: u64(184),
    localPort: view.getUint16(152, LITTLE),
    remotePort: view.getUint16(154, LITTLE),
    localAddress: addressText(bytes.subarray(at + 120, at + 136)),
    remoteAddress: addressText(bytes.subarray(at + 136, at + 152)),
    process: nameIn(bytes, at + 168),
  };
}

function checkRecords(bytes: Uint8Array): void {
  const wanted: object[] = [];
  let invalid = 0;
  for (let at = 0; at < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
    const size = view.byteLength < 16 ? 0 : view.getUint16(0, LITTLE);
    const record = size < 16 || size > view.byteLength ? null : readRecord(bytes, at, size);
    if (record === null) invalid++;
    else wanted.push(record);
    at = size < 16 ? bytes.length : at + size;
  }
  const taken: object[] = [];
  assert.equal(
    decodeRecords(bytes, (record) => taken.push(copyRecord(record))),
    invalid,
  );
  assert.deepEqual(taken, wanted);
}

function checkOwners(bytes: Uint8Array): void {
  const lowest = new Map<number, object & { readonly pid: number }>();
  for (let at = 0; at + OWNER.size <= bytes.length; at += OWNER.size) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, OWNER.size);
    const inode = Number(view.getBigUint64(0, LITTLE));
    const pid = view.getUint32(16, LITTLE);
    const cgroupId = view.getBigUint64(8, LITTLE) || null;
    const startNs = Number(view.getBigUint64(40, LITTLE)) || null;
    const uid = view.getUint32(20, LITTLE);
    const owner = { pid, process: nameIn(bytes, at + 24), uid, cgroupId, startNs };
    if ((lowest.get(inode)?.pid ?? Number.POSITIVE_INFINITY) > pid) lowest.set(inode, owner);
  }
  assert.deepEqual(decodeOwners(bytes), lowest);
}

function checkLosses(bytes: Uint8Array): void {
  if (bytes.length < LOSSES.size) {
    assert.throws(() => decodeLosses(bytes), RangeError);
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const counts = Array.from({ length: LOSSES.size / 8 }, (_, i) => Number(view.getBigUint64(8 * i, LITTLE)));
  assert.deepEqual(Object.values(decodeLosses(bytes)), counts);
}

export const target: Target = {
  /** The first byte says how far into a larger buffer the bytes stand: batches are views of one. */
  run(input) {
    const offset = (input[0] ?? 0) % 8;
    const whole = Buffer.alloc(offset + input.length);
    whole.set(input.subarray(1), offset);
    const bytes = new Uint8Array(whole.buffer, whole.byteOffset + offset, Math.max(0, input.length - 1));
    checkRecords(bytes);
    checkOwners(bytes);
    checkLosses(bytes);
  },
};
