/** The contents of a frame: the operations that the model got, in their order. */
import { Buffer } from "node:buffer";
import { canonicalAddress } from "../../base/address.ts";
import { DamageError } from "../../base/errors.ts";
import { lossKey } from "../../core/losses.ts";
import { TCP_STATES } from "./connection.ts";
import { LOSS_NAMES, type Losses, NO_LOSSES } from "./losses.ts";
import type { FlowOperation } from "./operation.ts";
import { IPPROTO_TCP, IPPROTO_UDP, isFlow, type SeedEntry } from "./record.ts";

const OpCode = { seed: 1, records: 2, sockets: 3, losses: 4, unmet: 5, silent: 6 } as const;

/** One operation, or a part of one: a large set of entries is split. */
export type Operation =
  | Exclude<FlowOperation, { readonly kind: "records" | "sockets" }>
  | { readonly kind: "records"; readonly bytes: Buffer }
  /** The set is whole with `isLast`. */
  | { readonly kind: "sockets"; readonly isLast: boolean; readonly entries: readonly SeedEntry[] }
  /** The loss counters; the last operation of a refresh. */
  | { readonly kind: "losses"; readonly losses: Losses };

/** Which parts of an entry's owner are known. */
const Known = { owner: 1, uid: 2, cgroupId: 4, startNs: 8 } as const;

/** The longest text of an address (IPv6). */
const MOST_ADDRESS_BYTES = 39;

/** A name of 15 bytes, each of which may have become U+FFFD. */
const MOST_NAME_BYTES = 48;

/** The most bytes that an entry takes. */
const MOST_ENTRY_BYTES = 160;

/** The most entries of one operation; a larger set is split. */
const ENTRIES_PER_OPERATION = 4096;

const OPERATION_HEAD_BYTES = 5;

/** Collects operations until they are taken as the contents of a frame. */
export class OperationWriter {
  #buffer = Buffer.allocUnsafe(64 << 10);
  #used = 0;
  /** Start of the operation that is being written. */
  #start = 0;
  #lastSockets: Buffer | null = null;

  get bytes(): number {
    return this.#used;
  }

  /** The operations since the last call; valid until the next write. */
  take(): Buffer {
    const contents = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    return contents;
  }

  /**
   * Of a seed only the flows are written, of sockets only those without one. `full` is called where the contents may be
   * taken in the middle of an operation.
   */
  write(operation: FlowOperation, full: () => void): void {
    switch (operation.kind) {
      case "seed":
        this.#seed(operation.entries.filter(isFlow), operation.nowNs, full);
        break;
      case "records":
        this.#records(operation.bytes);
        full();
        break;
      case "sockets":
        this.#changedSockets(operation.entries, full);
        break;
      case "unmet":
        this.#unmet(operation.keys, operation.nowNs);
        break;
      case "silent":
        this.#silent(operation.sinceNs, operation.nowNs);
        break;
    }
  }

  /** A set that equals the last one is not written again. */
  #changedSockets(entries: readonly SeedEntry[], full: () => void): void {
    const idle = entries.filter((entry) => !isFlow(entry));
    const encoder = new OperationWriter();
    encoder.#sockets(idle, () => {});
    const encoded = encoder.take();
    if (this.#lastSockets?.equals(encoded)) return;
    this.#lastSockets = encoded;
    this.#sockets(idle, full);
  }

  #records(bytes: Uint8Array): void {
    this.#begin(OpCode.records, bytes.length);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#end();
  }

  /** Calls `written` after each operation. */
  #seed(entries: readonly SeedEntry[], nowNs: number, written: () => void): void {
    for (let i = 0; i < entries.length; i += ENTRIES_PER_OPERATION) {
      const some = entries.slice(i, i + ENTRIES_PER_OPERATION);
      this.#begin(OpCode.seed, 8 + some.length * MOST_ENTRY_BYTES);
      this.#f64(nowNs);
      for (const entry of some) this.#entry(entry);
      this.#end();
      written();
    }
  }

  /** Calls `written` after each operation. */
  #sockets(entries: readonly SeedEntry[], written: () => void): void {
    for (let i = 0; i === 0 || i < entries.length; i += ENTRIES_PER_OPERATION) {
      const some = entries.slice(i, i + ENTRIES_PER_OPERATION);
      this.#begin(OpCode.sockets, 1 + some.length * MOST_ENTRY_BYTES);
      this.#u8(Number(i + ENTRIES_PER_OPERATION >= entries.length));
      for (const entry of some) this.#entry(entry);
      this.#end();
      written();
    }
  }

  #unmet(keys: readonly number[], nowNs: number): void {
    this.#begin(OpCode.unmet, 8 + 8 * keys.length);
    this.#f64(nowNs);
    for (const key of keys) this.#f64(key);
    this.#end();
  }

  #silent(sinceNs: number, nowNs: number): void {
    this.#begin(OpCode.silent, 16);
    this.#f64(nowNs);
    this.#f64(sinceNs);
    this.#end();
  }

  losses(losses: Losses): void {
    this.#begin(OpCode.losses, 8 * LOSS_NAMES.length);
    for (const name of LOSS_NAMES) this.#f64(losses[name]);
    this.#end();
  }

  #begin(code: number, mostBytes: number): void {
    const needed = this.#used + OPERATION_HEAD_BYTES + mostBytes;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#used));
      this.#buffer = larger;
    }
    this.#start = this.#used;
    this.#u8(code);
    this.#used += 4;
  }

  #end(): void {
    this.#buffer.writeUInt32LE(this.#used - this.#start - OPERATION_HEAD_BYTES, this.#start + 1);
  }

  #entry(entry: SeedEntry): void {
    const { owner } = entry;
    this.#u8(entry.proto);
    this.#u8(entry.state);
    this.#text(entry.localAddress);
    this.#u16(entry.localPort);
    this.#text(entry.remoteAddress);
    this.#u16(entry.remotePort);
    this.#u32(entry.uid);
    this.#f64(entry.inode);
    this.#u32(entry.netns);
    if (owner === null) {
      this.#u8(0);
      return;
    }
    const uid = owner.uid === null ? 0 : Known.uid;
    const cgroupId = owner.cgroupId === null ? 0 : Known.cgroupId;
    this.#u8(Known.owner | uid | cgroupId | (owner.startNs === null ? 0 : Known.startNs));
    this.#u32(owner.pid);
    this.#u32(owner.uid ?? 0);
    this.#used = this.#buffer.writeBigUInt64LE(owner.cgroupId ?? 0n, this.#used);
    this.#text(owner.process);
    if (owner.startNs !== null) this.#f64(owner.startNs);
  }

  #u8(value: number): void {
    this.#used = this.#buffer.writeUInt8(value, this.#used);
  }
  #u16(value: number): void {
    this.#used = this.#buffer.writeUInt16LE(value, this.#used);
  }
  #u32(value: number): void {
    this.#used = this.#buffer.writeUInt32LE(value, this.#used);
  }
  #f64(value: number): void {
    this.#used = this.#buffer.writeDoubleLE(value, this.#used);
  }
  #text(text: string): void {
    const bytes = this.#buffer.write(text, this.#used + 1, MOST_NAME_BYTES, "utf8");
    this.#u8(bytes);
    this.#used += bytes;
  }
}

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

function decodeOperation(code: number, bytes: Buffer): Operation {
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
    case OpCode.losses: {
      const losses = { ...NO_LOSSES };
      // A recording by an older tcptop has fewer counters.
      for (const name of LOSS_NAMES) if (!fields.isAtEnd) losses[name] = fields.count(lossKey(name));
      fields.mustEnd();
      return { kind: "losses", losses };
    }
    default:
      throw new DamageError(`operation ${code} is not one of 1 to ${OpCode.silent}`);
  }
}

function endsEarly(): DamageError {
  return new DamageError("the frame ends before its last operation");
}

/** Reads the contents of a frame one operation at a time. Throws DamageError for bytes that no writer writes. */
export function* decodeOperations(contents: Buffer): Generator<Operation> {
  for (let at = 0; at < contents.length; ) {
    if (contents.length - at < OPERATION_HEAD_BYTES) throw endsEarly();
    const code = contents.readUInt8(at);
    const start = at + OPERATION_HEAD_BYTES;
    const end = start + contents.readUInt32LE(at + 1);
    if (end > contents.length) throw endsEarly();
    yield decodeOperation(code, contents.subarray(start, end));
    at = end;
  }
}
