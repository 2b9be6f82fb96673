/** Records of processes as the kernel side writes them. */

import { IS_LITTLE_ENDIAN } from "../../src/base/field-reader.ts";
import { HEAD } from "../../src/core/head.gen.ts";
import { CGROUP, FILE, LENS, RECORD } from "../../src/lenses/processes/layout.gen.ts";
import { RecordKind } from "../../src/lenses/processes/record.ts";

const NS = 1_000_000n;

/** Bytes with a head, in the machine's byte order; times are in milliseconds. */
class RecordWriter {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(fixed: number, texts: Buffer, kind: number, timeMs: number) {
    const size = Math.ceil((fixed + texts.length) / 8) * 8;
    this.bytes = Buffer.alloc(size);
    texts.copy(this.bytes, fixed);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
    this.u16(HEAD.size, size);
    this.u8(HEAD.lens, LENS);
    this.u8(HEAD.kind, kind);
    this.ms(HEAD.time_ns, timeMs);
  }

  u8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }
  u16(at: number, value: number): void {
    this.#view.setUint16(at, value, IS_LITTLE_ENDIAN);
  }
  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, IS_LITTLE_ENDIAN);
  }
  u64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, IS_LITTLE_ENDIAN);
  }
  ms(at: number, value: number): void {
    this.u64(at, BigInt(Math.round(value * 1000)) * (NS / 1000n));
  }
}

const names = (list: readonly string[]) => Buffer.from(list.map((name) => `${name}\0`).join(""));
const path = (text: string | undefined) =>
  text === undefined
    ? Buffer.alloc(0)
    : text === "/"
      ? names(["/"])
      : names(text.slice(1).split("/").reverse());

export interface ProcessFields {
  readonly kind: keyof typeof RecordKind;
  readonly pid: number;
  /** Default: its pid. */
  readonly startMs?: number;
  readonly timeMs: number;
  readonly ppid?: number;
  readonly parentStartMs?: number;
  readonly ageMs?: number;
  readonly cgroup?: bigint;
  readonly runtimeMs?: number;
  readonly memoryBytes?: bigint;
  readonly uid?: number;
  readonly status?: number;
  readonly flags?: number;
  readonly name?: string;
  readonly tty?: string;
  readonly words?: readonly string[];
  readonly executable?: string;
  readonly directory?: string;
}

/** A process whose start time in milliseconds is its pid, as is its parent's. */
export function processRecord(fields: ProcessFields): Buffer {
  const { kind, pid, timeMs, ppid = 1 } = fields;
  const texts = [names(fields.words ?? []), path(fields.executable), path(fields.directory)] as const;
  const record = new RecordWriter(RECORD.size, Buffer.concat(texts), RecordKind[kind], timeMs);
  record.ms(RECORD.start_ns, fields.startMs ?? pid);
  record.ms(RECORD.parent_start_ns, fields.parentStartMs ?? ppid);
  record.ms(RECORD.age_ns, fields.ageMs ?? 0);
  record.u64(RECORD.cgroup_id, fields.cgroup ?? 1n);
  record.ms(RECORD.runtime_ns, fields.runtimeMs ?? 0);
  record.u64(RECORD.memory_bytes, fields.memoryBytes ?? 0n);
  record.u32(RECORD.pid, pid);
  record.u32(RECORD.ppid, ppid);
  record.u32(RECORD.uid, fields.uid ?? 0);
  record.u32(RECORD.status, fields.status ?? 0);
  record.u16(RECORD.flags, fields.flags ?? 0);
  record.u16(RECORD.arguments_bytes, texts[0].length);
  record.u16(RECORD.executable_bytes, texts[1].length);
  record.u16(RECORD.directory_bytes, texts[2].length);
  record.bytes.write(fields.name ?? `p${pid}`, RECORD.process);
  record.bytes.write(fields.tty ?? "", RECORD.tty);
  return record.bytes;
}

export function cgroupRecord(id: bigint, cgroupPath: string): Buffer {
  const text = cgroupPath === "/" ? Buffer.alloc(0) : path(cgroupPath);
  const record = new RecordWriter(CGROUP.size, text, RecordKind.cgroup, 0);
  record.u64(CGROUP.id, id);
  record.u16(CGROUP.path_bytes, text.length);
  return record.bytes;
}

export interface FileFields {
  readonly pid: number;
  readonly timeMs: number;
  readonly path: string;
  readonly result?: number;
  readonly flags?: number;
  /** The path as the process passed it. */
  readonly isAsked?: boolean;
}

export function fileRecord({
  pid,
  timeMs,
  path: text,
  result = 3,
  flags = 1,
  isAsked = false,
}: FileFields): Buffer {
  const bytes = isAsked ? names([text]) : path(text);
  const record = new RecordWriter(FILE.size, bytes, RecordKind.file, timeMs);
  record.ms(FILE.start_ns, pid);
  record.u32(FILE.pid, pid);
  record.u32(FILE.result, result >>> 0);
  record.u32(FILE.open_flags, flags);
  record.u16(FILE.path_bytes, bytes.length);
  record.u8(FILE.is_asked, Number(isAsked));
  return record.bytes;
}
