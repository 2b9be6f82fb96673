/** Decodes the bytes that the kernel side delivers, by the layout generated from bpf/flows/wire.h. */
import { formatAddress } from "../../base/address.ts";
import { FieldReader } from "../../base/field-reader.ts";
import { stepRecords } from "../../core/records.ts";
import { type Owner, TCP_STATES } from "./connection.ts";
import { type FlowForm, FORM, type Positions } from "./form.ts";
import { LOSSES, OWNER } from "./layout.gen.ts";
import { type FlowRecord, IPPROTO_TCP, IPPROTO_UDP, RecordKind } from "./record.ts";

/** TASK_COMM_LEN: where a process name ends at the latest. */
const PROCESS_BYTES = 16;

/** The record that starts at byte `start` of a batch. */
class RecordCursor implements FlowRecord {
  start = 0;
  readonly #fields: FieldReader;
  readonly #at: Positions;

  constructor(fields: FieldReader, at: Positions) {
    this.#fields = fields;
    this.#at = at;
  }

  isValid(): boolean {
    const { kind, proto, state } = this;
    return (
      kind >= RecordKind.open &&
      kind <= RecordKind.totals &&
      (proto === IPPROTO_TCP ? state > 0 && state < TCP_STATES.length : proto === IPPROTO_UDP && state === 0)
    );
  }

  get kind(): number {
    return this.#fields.u8(this.start + this.#at.kind);
  }
  get id(): bigint {
    return this.#fields.bigU64(this.start + this.#at.id);
  }
  get timeNs(): number {
    return this.#fields.u64(this.start + this.#at.time_ns);
  }
  get openedNs(): number {
    return this.#fields.u64(this.start + this.#at.opened_ns);
  }
  get activeNs(): number {
    return this.#fields.u64(this.start + this.#at.active_ns);
  }
  get proto(): number {
    return this.#fields.u8(this.start + this.#at.proto);
  }
  get state(): number {
    return this.#fields.u8(this.start + this.#at.state);
  }
  get flags(): number {
    return this.#fields.u32(this.start + this.#at.flags);
  }
  get bytesIn(): number {
    return this.#fields.u64(this.start + this.#at.bytes_in);
  }
  get bytesOut(): number {
    return this.#fields.u64(this.start + this.#at.bytes_out);
  }
  get packetsIn(): number {
    return this.#fields.u64(this.start + this.#at.packets_in);
  }
  get packetsOut(): number {
    return this.#fields.u64(this.start + this.#at.packets_out);
  }
  get bytesRetrans(): number {
    return this.#fields.u64(this.start + this.#at.bytes_retrans);
  }
  get cgroupId(): bigint {
    return this.#fields.bigU64(this.start + this.#at.cgroup_id);
  }
  get srttUs(): number {
    return this.#fields.u32(this.start + this.#at.srtt_us);
  }
  get rttvarUs(): number {
    return this.#fields.u32(this.start + this.#at.rttvar_us);
  }
  get minRttUs(): number {
    return this.#fields.u32(this.start + this.#at.min_rtt_us);
  }
  get retransmits(): number {
    return this.#fields.u32(this.start + this.#at.retransmits);
  }
  get sndCwnd(): number {
    return this.#fields.u32(this.start + this.#at.snd_cwnd);
  }
  get pid(): number {
    return this.#fields.u32(this.start + this.#at.pid);
  }
  get uid(): number {
    return this.#fields.u32(this.start + this.#at.uid);
  }
  get netns(): number {
    return this.#fields.u32(this.start + this.#at.netns);
  }
  get inode(): number {
    const { inode } = this.#at;
    return inode < 0 ? 0 : this.#fields.u32(this.start + inode);
  }
  get processStartNs(): number {
    const { process_start_ns } = this.#at;
    return process_start_ns < 0 ? 0 : this.#fields.u64(this.start + process_start_ns);
  }
  get localPort(): number {
    return this.#fields.u16(this.start + this.#at.local_port);
  }
  get remotePort(): number {
    return this.#fields.u16(this.start + this.#at.remote_port);
  }

  localAddress(): string {
    return formatAddress(this.#fields.bytes, this.start + this.#at.local_address);
  }

  remoteAddress(): string {
    return formatAddress(this.#fields.bytes, this.start + this.#at.remote_address);
  }

  process(): string {
    return this.#fields.text(this.start + this.#at.process, PROCESS_BYTES);
  }
}

/** Like stepRecords, for records that are all of one size. Trailing bytes that are no whole record count as one. */
function stepHeadless(fields: FieldReader, { size, headless }: FlowForm, take: (at: number) => void): number {
  const end = fields.bytes.length - (fields.bytes.length % size);
  let skipped = end === fields.bytes.length ? 0 : 1;
  for (let at = 0; at < end; at += size) {
    if (headless !== null && fields.u8(at + headless.versionAt) === headless.version) take(at);
    else skipped++;
  }
  return skipped;
}

/**
 * Calls `take` for each valid `struct flows_record` of a batch, always with the same object, which is valid during the
 * call. Returns how many records were not understood: of another lens, too short, of an unknown kind or protocol, or
 * with an impossible state.
 */
export function decodeRecords(
  batch: Uint8Array,
  take: (record: FlowRecord) => void,
  form: FlowForm = FORM,
): number {
  const fields = new FieldReader(batch, form.isLittleEndian);
  const cursor = new RecordCursor(fields, form.at);
  let invalid = 0;
  const step = form.headless === null ? stepRecords : stepHeadless;
  const skipped = step(fields, form, (at) => {
    cursor.start = at;
    if (cursor.isValid()) take(cursor);
    else invalid++;
  });
  return skipped + invalid;
}

/**
 * Decodes `struct flows_owner`s into owners by inode number of their socket. A socket that several
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
      process: fields.text(at + OWNER.process, PROCESS_BYTES),
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

/** Decodes `struct flows_losses`; throws RangeError when there are fewer bytes. */
export function decodeLosses(bytes: Uint8Array): KernelLosses {
  const fields = new FieldReader(bytes);
  const { size: _, ...offsets } = LOSSES;
  return Object.fromEntries(
    Object.entries(offsets).map(([name, offset]) => [camelCase(name), fields.u64(offset)]),
  ) as KernelLosses;
}
