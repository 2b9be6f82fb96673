/** Flow records for tests: as objects, and encoded as the kernel side would. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { parseAddress } from "../../src/base/address.ts";
import { HEAD } from "../../src/core/head.gen.ts";
import { ABI, LENS, RECORD } from "../../src/lenses/flows/layout.gen.ts";
import {
  type FlowRecord,
  IPPROTO_TCP,
  RecordFlag,
  RecordKind,
  type SeedEntry,
} from "../../src/lenses/flows/record.ts";

const IS_LITTLE_ENDIAN = endianness() === "LE";

/** A FlowRecord as plain data. */
export type RecordFields = Omit<FlowRecord, "localAddress" | "remoteAddress" | "process"> & {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly process: string;
};

const DEFAULTS: RecordFields = {
  kind: RecordKind.open,
  id: 1n,
  timeNs: 1_000,
  openedNs: 1_000,
  activeNs: 0,
  proto: IPPROTO_TCP,
  state: 1,
  flags: 0,
  bytesIn: 0,
  bytesOut: 0,
  packetsIn: 0,
  packetsOut: 0,
  bytesRetrans: 0,
  cgroupId: 0n,
  srttUs: 0,
  rttvarUs: 0,
  minRttUs: 0,
  retransmits: 0,
  sndCwnd: 0,
  pid: 0,
  uid: 0,
  netns: 4_026_531_840,
  inode: 0,
  processStartNs: 0,
  localPort: 40_000,
  remotePort: 443,
  localAddress: "192.0.2.1",
  remoteAddress: "198.51.100.2",
  process: "",
};

/** The fields of a record, those of an established, unowned TCP connection that has moved nothing unless given. */
export function recordFields(fields: Partial<RecordFields> = {}): RecordFields {
  return { ...DEFAULTS, ...fields };
}

/** A record object, as the decoder would hand it over. */
export function makeRecord(fields: Partial<RecordFields> = {}): FlowRecord {
  const { localAddress, remoteAddress, process, ...numbers } = recordFields(fields);
  return {
    ...numbers,
    localAddress: () => localAddress,
    remoteAddress: () => remoteAddress,
    process: () => process,
  };
}

/** The fields of a record, copied from wherever a decoder's cursor stands. */
export function copyRecord(record: FlowRecord): RecordFields {
  const numbers = Object.fromEntries(
    Object.keys(DEFAULTS).map((name) => [name, record[name as keyof FlowRecord]]),
  ) as unknown as RecordFields;
  return {
    ...numbers,
    localAddress: record.localAddress(),
    remoteAddress: record.remoteAddress(),
    process: record.process(),
  };
}

function addressBytes(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === null) throw new Error(`no address: ${text}`);
  return bytes;
}

function encodeRecord(r: RecordFields): Uint8Array {
  const bytes = new Uint8Array(RECORD.size);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number | bigint) => view.setBigUint64(at, BigInt(value), IS_LITTLE_ENDIAN);
  const u32 = (at: number, value: number) => view.setUint32(at, value, IS_LITTLE_ENDIAN);
  const u16 = (at: number, value: number) => view.setUint16(at, value, IS_LITTLE_ENDIAN);
  u64(RECORD.id, r.id);
  u64(HEAD.time_ns, r.timeNs);
  u16(HEAD.size, RECORD.size);
  view.setUint8(HEAD.lens, LENS);
  u16(HEAD.abi, ABI);
  u64(RECORD.opened_ns, r.openedNs);
  u64(RECORD.active_ns, r.activeNs);
  u64(RECORD.bytes_in, r.bytesIn);
  u64(RECORD.bytes_out, r.bytesOut);
  u64(RECORD.packets_in, r.packetsIn);
  u64(RECORD.packets_out, r.packetsOut);
  u64(RECORD.bytes_retrans, r.bytesRetrans);
  u64(RECORD.cgroup_id, r.cgroupId);
  u32(RECORD.srtt_us, r.srttUs);
  u32(RECORD.rttvar_us, r.rttvarUs);
  u32(RECORD.min_rtt_us, r.minRttUs);
  u32(RECORD.retransmits, r.retransmits);
  u32(RECORD.snd_cwnd, r.sndCwnd);
  u32(RECORD.pid, r.pid);
  u32(RECORD.uid, r.uid);
  u32(RECORD.netns, r.netns);
  bytes.set(addressBytes(r.localAddress), RECORD.local_address);
  bytes.set(addressBytes(r.remoteAddress), RECORD.remote_address);
  u16(RECORD.local_port, r.localPort);
  u16(RECORD.remote_port, r.remotePort);
  view.setUint8(HEAD.kind, r.kind);
  view.setUint8(RECORD.proto, r.proto);
  view.setUint8(RECORD.state, r.state);
  u32(RECORD.flags, r.flags);
  u32(RECORD.inode, r.inode);
  bytes.set(Buffer.from(r.process).subarray(0, RECORD.process_start_ns - RECORD.process), RECORD.process);
  u64(RECORD.process_start_ns, r.processStartNs);
  return bytes;
}

/** What a capture tells first of the connection number `id`, one of curl's. */
export function curlRecord(id: number, fields: Partial<RecordFields> = {}): FlowRecord {
  return makeRecord({
    id: BigInt(id),
    localPort: 40_000 + id,
    flags: RecordFlag.owned,
    pid: 7,
    process: "curl",
    ...fields,
  });
}

/** Records as one batch of bytes in the layout of bpf/flows/wire.h. */
export function encodeRecords(...records: readonly Partial<RecordFields>[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(records.map((fields) => encodeRecord(recordFields(fields)))));
}

export { NO_LOSSES } from "../../src/lenses/flows/losses.ts";

/** An established TCP connection of before the capture, the one of `makeRecord()`, unless given. */
export function seedEntry(fields: Partial<SeedEntry> = {}): SeedEntry {
  const { netns, localAddress, localPort, remoteAddress, remotePort } = DEFAULTS;
  return {
    proto: IPPROTO_TCP,
    state: 1,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    uid: 1000,
    inode: 5001,
    netns,
    owner: null,
    ...fields,
  };
}
