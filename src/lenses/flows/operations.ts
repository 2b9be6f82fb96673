/** Decodes the operations of flows that a recording has. */
import type { Buffer } from "node:buffer";
import { canonicalAddress } from "../../base/address.ts";
import { DamageError } from "../../base/errors.ts";
import { TCP_STATES } from "./connection.ts";
import { FLOW_COUNTERS, type RecordedLosses } from "./losses.ts";
import type { FlowOperation } from "./operation.ts";
import { IPPROTO_TCP, IPPROTO_UDP, type SeedEntry } from "./record.ts";

export const OpCode = { seed: 1, records: 2, sockets: 3, losses: 4, unmet: 5, silent: 6 } as const;

/** One operation, or a part of one: a large set of entries is split. */
export type Operation =
  | Exclude<FlowOperation, { readonly kind: "records" | "sockets" }>
  | { readonly kind: "records"; readonly bytes: Buffer }
  /** The set is whole with `isLast`. */
  | { readonly kind: "sockets"; readonly isLast: boolean; readonly entries: readonly SeedEntry[] }
  /** The loss counters that the recording has; the last operation of a refresh. */
  | { readonly kind: "losses"; readonly losses: RecordedLosses };

/** Which parts of an entry's owner are known. */
export const Known = { owner: 1, uid: 2, cgroupId: 4, startNs: 8 } as const;

/** The longest text of an address (IPv6). */
const MOST_ADDRESS_BYTES = 39;

/** A name of 15 bytes, each of which may have become U+FFFD. */
export const MOST_NAME_BYTES = 48;

/** The most bytes that an entry takes. */
export const MOST_ENTRY_BYTES = 160;

/** Reads one operation's bytes. Throws DamageError, which names the field, for a value that no writer writes. */
class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  mustEnd(): void {
    if (!this.isAtEnd) throw new DamageError("bytes follow the last field of an operation");
  }

  u8(field: string): number {
    return this.#bytes.readUInt8(this.#take(field, 1));
  }
  u16(field: string): number {
    return this.#bytes.readUInt16LE(this.#take(field, 2));
  }
  u32(field: string): number {
    return this.#bytes.readUInt32LE(this.#take(field, 4));
  }
  u64(field: string): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(field, 8));
  }

  /** A number that counts something. */
  count(field: string): number {
    const value = this.#bytes.readDoubleLE(this.#take(field, 8));
    if (!(Number.isInteger(value) && value >= 0 && value <= 2 ** 64))
      throw new DamageError(`field ${field} is not a whole number from 0 to 2^64`);
    return value;
  }

  counts(field: string): number[] {
    const counts: number[] = [];
    while (!this.isAtEnd) counts.push(this.count(field));
    return counts;
  }

  text(field: string, mostBytes: number): string {
    const bytes = this.u8(field);
    if (bytes > mostBytes) throw new DamageError(`field ${field} is longer than ${mostBytes} bytes`);
    const start = this.#take(field, bytes);
    return this.#bytes.toString("utf8", start, start + bytes);
  }

  address(field: string): string {
    const text = this.text(field, MOST_ADDRESS_BYTES);
    const canonical = canonicalAddress(text);
    if (canonical === null) throw new DamageError(`field ${field} is not an IP address`);
    if (canonical !== text) throw new DamageError(`field ${field} is not in canonical form`);
    return text;
  }

  entry(): SeedEntry {
    const proto = this.u8("proto");
    if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP)
      throw new DamageError("field proto is neither 6 (TCP) nor 17 (UDP)");
    const state = this.u8("state");
    if (state >= TCP_STATES.length)
      throw new DamageError(`field state is not a number from 0 to ${TCP_STATES.length - 1}`);
    return {
      proto,
      state,
      localAddress: this.address("local_address"),
      localPort: this.u16("local_port"),
      remoteAddress: this.address("remote_address"),
      remotePort: this.u16("remote_port"),
      uid: this.u32("uid"),
      inode: this.count("inode"),
      netns: this.u32("netns"),
      owner: this.#owner(),
    };
  }

  entries(): SeedEntry[] {
    const entries: SeedEntry[] = [];
    while (!this.isAtEnd) entries.push(this.entry());
    return entries;
  }

  #owner(): SeedEntry["owner"] {
    const known = this.u8("owner_known");
    if (known === 0) return null;
    if ((known & Known.owner) === 0 || known > 15)
      throw new DamageError("field owner_known is neither 0 nor an odd number up to 15");
    const pid = this.u32("owner_pid");
    const uid = this.u32("owner_uid");
    const cgroupId = this.u64("owner_cgroup_id");
    return {
      pid,
      uid: (known & Known.uid) === 0 ? null : uid,
      cgroupId: (known & Known.cgroupId) === 0 ? null : cgroupId,
      process: this.text("owner_process", MOST_NAME_BYTES),
      startNs: (known & Known.startNs) === 0 ? null : this.count("owner_start_ns"),
    };
  }

  #take(field: string, bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length)
      throw new DamageError(`field ${field} reaches past the end of its operation`);
    this.#at += bytes;
    return at;
  }
}

/** The counters of a recording by their keys, in its order. Those that it does not have are null. */
function decodeLosses(fields: FieldReader, keys: readonly string[]): RecordedLosses {
  const counts = new Map<string, number>();
  for (const key of keys) if (!fields.isAtEnd) counts.set(key, fields.count(key));
  fields.mustEnd();
  return Object.fromEntries(
    FLOW_COUNTERS.map(({ name, key }) => [name, counts.get(key) ?? null]),
  ) as RecordedLosses;
}

/**
 * null: there is no such operation. `lossKeys`: the counters of the recording, in its order. Throws DamageError for bytes
 * that no writer writes.
 */
export function decodeOperation(code: number, bytes: Buffer, lossKeys: readonly string[]): Operation | null {
  const fields = new FieldReader(bytes);
  switch (code) {
    case OpCode.records:
      return { kind: "records", bytes };
    case OpCode.seed:
      return { kind: "seed", nowNs: fields.count("now_ns"), entries: fields.entries() };
    case OpCode.sockets: {
      const isLast = fields.u8("is_last");
      if (isLast > 1) throw new DamageError("field is_last is neither 0 nor 1");
      return { kind: "sockets", isLast: isLast === 1, entries: fields.entries() };
    }
    case OpCode.unmet:
      return { kind: "unmet", nowNs: fields.count("now_ns"), keys: fields.counts("key") };
    case OpCode.silent: {
      const [nowNs, sinceNs] = [fields.count("now_ns"), fields.count("since_ns")];
      fields.mustEnd();
      return { kind: "silent", nowNs, sinceNs };
    }
    case OpCode.losses:
      return { kind: "losses", losses: decodeLosses(fields, lossKeys) };
    default:
      return null;
  }
}
