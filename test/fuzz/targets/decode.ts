/** Batches of records, owners and losses: what the decoder reads must be what a plain reading of wire.h gives. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { decodeLosses, decodeOwners, decodeRecords } from "../../../src/lenses/flows/decode.ts";
import { LOSSES, OWNER, RECORD, WIRE_VERSION } from "../../../src/lenses/flows/layout.gen.ts";
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
function readRecord(bytes: Uint8Array, at: number): object | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD.size);
  const u64 = (offset: number): number => Number(view.getBigUint64(offset, LITTLE));
  const u32 = (offset: number): number => view.getUint32(offset, LITTLE);
  const u8 = (offset: number): number => view.getUint8(offset);
  const [version, kind, proto, state] = [148, 149, 150, 151].map(u8) as [number, number, number, number];
  const isTcp = proto === 6 && state >= 1 && state <= 13;
  const isUdp = proto === 17 && state === 0;
  if (version !== WIRE_VERSION || kind < 1 || kind > 6 || !(isTcp || isUdp)) return null;
  return {
    kind,
    id: view.getBigUint64(0, LITTLE),
    timeNs: u64(8),
    openedNs: u64(16),
    activeNs: u64(24),
    proto,
    state,
    flags: u32(152),
    bytesIn: u64(32),
    bytesOut: u64(40),
    packetsIn: u64(48),
    packetsOut: u64(56),
    bytesRetrans: u64(64),
    cgroupId: view.getBigUint64(72, LITTLE),
    srttUs: u32(80),
    rttvarUs: u32(84),
    minRttUs: u32(88),
    retransmits: u32(92),
    sndCwnd: u32(96),
    pid: u32(100),
    uid: u32(104),
    netns: u32(108),
    inode: u32(156),
    processStartNs: u64(176),
    localPort: view.getUint16(144, LITTLE),
    remotePort: view.getUint16(146, LITTLE),
    localAddress: addressText(bytes.subarray(at + 112, at + 128)),
    remoteAddress: addressText(bytes.subarray(at + 128, at + 144)),
    process: nameIn(bytes, at + 160),
  };
}

function checkRecords(bytes: Uint8Array): void {
  const wanted: object[] = [];
  let invalid = bytes.length % RECORD.size === 0 ? 0 : 1;
  for (let at = 0; at + RECORD.size <= bytes.length; at += RECORD.size) {
    const record = readRecord(bytes, at);
    if (record === null) invalid++;
    else wanted.push(record);
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
