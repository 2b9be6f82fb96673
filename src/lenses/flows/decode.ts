/** Decodes the bytes that the kernel side delivers, by the layout generated from bpf/wire.h. */
import { Buffer } from "node:buffer";
import { formatAddress } from "../../base/address.ts";
import { type Owner, TCP_STATES } from "./connection.ts";
import { LOSSES, OWNER, RECORD, WIRE_VERSION } from "./layout.gen.ts";
import { type FlowRecord, IPPROTO_TCP, IPPROTO_UDP, RecordKind } from "./record.ts";

/** Numbers cross in the machine's byte order. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Size of a record in each version that was ever released. A later version only appends fields, or uses
 * reserved ones that were zero.
 */
const RECORD_BYTES: Readonly<Record<number, number>> = { 1: 176, [WIRE_VERSION]: RECORD.size };

/** Whether records of a version can be decoded. */
export function isKnownWireVersion(version: number): boolean {
  return Object.hasOwn(RECORD_BYTES, version);
}

/** TASK_COMM_LEN: where a process name ends at the latest; it ends at its first NUL. */
const PROCESS_BYTES = 16;

/** A process name in `bytes`: up to a NUL or `maxBytes`, what is not UTF-8 as U+FFFD. */
export function decodeProcessName(bytes: Buffer, start: number, maxBytes = PROCESS_BYTES): string {
  let end = start;
  while (end < start + maxBytes && end < bytes.length && bytes[end] !== 0) end++;
  return bytes.toString("utf8", start, end);
}

/** Reads fixed-width fields; alignment does not matter. */
class FieldReader {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(batch: Uint8Array) {
    this.bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
    this.#view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, IS_LITTLE_ENDIAN);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, IS_LITTLE_ENDIAN);
  }

  /** Exact up to 2^53. */
  u64(at: number): number {
    const low = this.u32(IS_LITTLE_ENDIAN ? at : at + 4);
    const high = this.u32(IS_LITTLE_ENDIAN ? at + 4 : at);
    return high * 0x1_0000_0000 + low;
  }

  bigU64(at: number): bigint {
    return this.#view.getBigUint64(at, IS_LITTLE_ENDIAN);
  }
}

/** The record that starts at byte `at` of a batch. */
class RecordCursor implements FlowRecord {
  at = 0;
  readonly #fields: FieldReader;
  readonly #version: number;

  constructor(fields: FieldReader, version: number) {
    this.#fields = fields;
    this.#version = version;
  }

  isValid(): boolean {
    const { kind, proto, state } = this;
    return (
      this.#fields.u8(this.at + RECORD.version) === this.#version &&
      kind >= RecordKind.open &&
      kind <= RecordKind.totals &&
      (proto === IPPROTO_TCP ? state > 0 && state < TCP_STATES.length : proto === IPPROTO_UDP && state === 0)
    );
  }

  get kind(): number {
    return this.#fields.u8(this.at + RECORD.kind);
  }
  get id(): bigint {
    return this.#fields.bigU64(this.at + RECORD.id);
  }
  get timeNs(): number {
    return this.#fields.u64(this.at + RECORD.time_ns);
  }
  get openedNs(): number {
    return this.#fields.u64(this.at + RECORD.opened_ns);
  }
  get activeNs(): number {
    return this.#fields.u64(this.at + RECORD.active_ns);
  }
  get proto(): number {
    return this.#fields.u8(this.at + RECORD.proto);
  }
  get state(): number {
    return this.#fields.u8(this.at + RECORD.state);
  }
  get flags(): number {
    return this.#fields.u32(this.at + RECORD.flags);
  }
  get bytesIn(): number {
    return this.#fields.u64(this.at + RECORD.bytes_in);
  }
  get bytesOut(): number {
    return this.#fields.u64(this.at + RECORD.bytes_out);
  }
  get packetsIn(): number {
    return this.#fields.u64(this.at + RECORD.packets_in);
  }
  get packetsOut(): number {
    return this.#fields.u64(this.at + RECORD.packets_out);
  }
  get bytesRetrans(): number {
    return this.#fields.u64(this.at + RECORD.bytes_retrans);
  }
  get cgroupId(): bigint {
    return this.#fields.bigU64(this.at + RECORD.cgroup_id);
  }
  get srttUs(): number {
    return this.#fields.u32(this.at + RECORD.srtt_us);
  }
  get rttvarUs(): number {
    return this.#fields.u32(this.at + RECORD.rttvar_us);
  }
  get minRttUs(): number {
    return this.#fields.u32(this.at + RECORD.min_rtt_us);
  }
  get retransmits(): number {
    return this.#fields.u32(this.at + RECORD.retransmits);
  }
  get sndCwnd(): number {
    return this.#fields.u32(this.at + RECORD.snd_cwnd);
  }
  get pid(): number {
    return this.#fields.u32(this.at + RECORD.pid);
  }
  get uid(): number {
    return this.#fields.u32(this.at + RECORD.uid);
  }
  get netns(): number {
    return this.#fields.u32(this.at + RECORD.netns);
  }
  get inode(): number {
    return this.#fields.u32(this.at + RECORD.inode);
  }
  get processStartNs(): number {
    return this.#version === 1 ? 0 : this.#fields.u64(this.at + RECORD.process_start_ns);
  }
  get localPort(): number {
    return this.#fields.u16(this.at + RECORD.local_port);
  }
  get remotePort(): number {
    return this.#fields.u16(this.at + RECORD.remote_port);
  }

  localAddress(): string {
    return formatAddress(this.#fields.bytes, this.at + RECORD.local_address);
  }

  remoteAddress(): string {
    return formatAddress(this.#fields.bytes, this.at + RECORD.remote_address);
  }

  process(): string {
    return decodeProcessName(this.#fields.bytes, this.at + RECORD.process);
  }
}

/**
 * Calls `take` for each valid `struct tcptop_record` of a batch, always with the same object, which is
 * valid during the call. Returns how many records were dropped: of another version than `version`, of an
 * unknown kind or protocol, or with an impossible state; trailing bytes that are no whole record count as
 * one. `version` is a known one.
 */
export function decodeRecords(
  batch: Uint8Array,
  take: (record: FlowRecord) => void,
  version: number = WIRE_VERSION,
): number {
  const cursor = new RecordCursor(new FieldReader(batch), version);
  const size = RECORD_BYTES[version] ?? RECORD.size;
  const end = batch.byteLength - (batch.byteLength % size);
  let invalid = end === batch.byteLength ? 0 : 1;
  for (; cursor.at < end; cursor.at += size) {
    if (cursor.isValid()) take(cursor);
    else invalid++;
  }
  return invalid;
}

/**
 * Decodes `struct tcptop_owner`s into owners by inode number of their socket. A socket that several
 * processes hold goes to the lowest pid. Trailing bytes that are no whole struct are dropped.
 */
export function decodeOwners(batch: Uint8Array): Map<number, Owner> {
  const fields = new FieldReader(batch);
  const owners = new Map<number, Owner>();
  for (let at = 0; at + OWNER.size <= batch.byteLength; at += OWNER.size) {
    const inode = fields.u64(at + OWNER.inode);
    const pid = fields.u32(at + OWNER.pid);
    const known = owners.get(inode);
    if (known !== undefined && known.pid <= pid) continue;
    const cgroupId = fields.bigU64(at + OWNER.cgroup_id);
    owners.set(inode, {
      pid,
      process: decodeProcessName(fields.bytes, at + OWNER.process),
      uid: fields.u32(at + OWNER.uid),
      cgroupId: cgroupId === 0n ? null : cgroupId,
      startNs: fields.u64(at + OWNER.process_start_ns) || null,
    });
  }
  return owners;
}

/** `flowsUntracked` of `flows_untracked`. */
type Camel<Name extends string> = Name extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : Name;

type LossField = Exclude<keyof typeof LOSSES, "size">;

/** What the kernel side counts of `Losses` of the model. */
export type KernelLosses = Readonly<Record<Camel<LossField>, number>>;

function camelCase(name: string): string {
  return name.replace(/_[a-z]/g, (letter) => letter.charAt(1).toUpperCase());
}

/** Decodes `struct tcptop_losses`; throws RangeError when there are fewer bytes. */
export function decodeLosses(bytes: Uint8Array): KernelLosses {
  const fields = new FieldReader(bytes);
  const { size: _, ...offsets } = LOSSES;
  return Object.fromEntries(
    Object.entries(offsets).map(([name, offset]) => [camelCase(name), fields.u64(offset)]),
  ) as KernelLosses;
}
