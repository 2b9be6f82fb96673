/** Decodes the bytes that the kernel side delivers, by the layout generated from bpf/processes/wire.h. */
import { FieldReader, IS_LITTLE_ENDIAN } from "../../base/field-reader.ts";
import { HEAD } from "../../core/head.gen.ts";
import { stepRecords } from "../../core/records.ts";
import { CGROUP, FILE, LENS, LOSSES, RECORD } from "./layout.gen.ts";
import type { KernelLosses } from "./losses.ts";
import { Flag, RecordKind, type RecordTaker } from "./record.ts";

/** TASK_COMM_LEN. */
const NAME_BYTES = 16;

/** Texts with a NUL behind each; the last one may be cut. */
function decodeTexts(fields: FieldReader, at: number, bytes: number): string[] {
  const text = fields.bytes.toString("utf8", at, at + bytes);
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}

/** A path, of which the names come with the last one first; the root's own name is `/`. */
function decodePath(fields: FieldReader, at: number, bytes: number): string {
  if (bytes === 0) return "/";
  const names = decodeTexts(fields, at, bytes);
  return names.length === 1 && names[0] === "/" ? "/" : `/${names.reverse().join("/")}`;
}

class Batch {
  readonly #fields: FieldReader;
  readonly #take: RecordTaker;

  constructor(fields: FieldReader, take: RecordTaker) {
    this.#fields = fields;
    this.#take = take;
  }

  /** False for a record of no known kind, or with texts that reach past its end. */
  accept(at: number): boolean {
    const kind = this.#fields.u8(at + HEAD.kind);
    switch (kind) {
      case RecordKind.fork:
      case RecordKind.exec:
      case RecordKind.exit:
      case RecordKind.found:
        return this.#process(at, kind);
      case RecordKind.cgroup:
        return this.#cgroup(at);
      case RecordKind.file:
        return this.#file(at);
      default:
        return false;
    }
  }

  /** Whether a record has `bytes` behind its first `size`. */
  #holds(at: number, size: number, bytes: number): boolean {
    return size + bytes <= this.#fields.u16(at + HEAD.size);
  }

  #process(at: number, kind: number): boolean {
    const fields = this.#fields;
    const argumentsBytes = fields.u16(at + RECORD.arguments_bytes);
    const executableBytes = fields.u16(at + RECORD.executable_bytes);
    const directoryBytes = fields.u16(at + RECORD.directory_bytes);
    if (!this.#holds(at, RECORD.size, argumentsBytes + executableBytes + directoryBytes)) return false;
    const argumentsAt = at + RECORD.size;
    const executableAt = argumentsAt + argumentsBytes;
    const directoryAt = executableAt + executableBytes;
    const flags = fields.u16(at + RECORD.flags);
    const hasArguments = kind === RecordKind.exec && (flags & Flag.argumentsUnread) === 0;
    this.#take.process({
      kind,
      timeNs: fields.u64(at + HEAD.time_ns),
      pid: fields.u32(at + RECORD.pid),
      startNs: fields.u64(at + RECORD.start_ns),
      ppid: fields.u32(at + RECORD.ppid),
      parentStartNs: fields.u64(at + RECORD.parent_start_ns),
      ageNs: fields.u64(at + RECORD.age_ns),
      cgroupId: fields.bigU64(at + RECORD.cgroup_id),
      runtimeNs: fields.u64(at + RECORD.runtime_ns),
      memoryBytes: fields.u64(at + RECORD.memory_bytes),
      uid: fields.u32(at + RECORD.uid),
      status: fields.u32(at + RECORD.status),
      flags,
      process: fields.text(at + RECORD.process, NAME_BYTES),
      tty: fields.text(at + RECORD.tty, NAME_BYTES),
      arguments: hasArguments
        ? argumentsBytes === 0
          ? []
          : decodeTexts(fields, argumentsAt, argumentsBytes)
        : null,
      executable: executableBytes === 0 ? null : decodePath(fields, executableAt, executableBytes),
      directory: directoryBytes === 0 ? null : decodePath(fields, directoryAt, directoryBytes),
    });
    return true;
  }

  #cgroup(at: number): boolean {
    const fields = this.#fields;
    if (!this.#holds(at, CGROUP.size, 0)) return false;
    const bytes = fields.u16(at + CGROUP.path_bytes);
    if (!this.#holds(at, CGROUP.size, bytes)) return false;
    const path = decodePath(fields, at + CGROUP.size, bytes);
    const isCut = fields.u16(at + CGROUP.is_cut) !== 0;
    this.#take.cgroup(fields.bigU64(at + CGROUP.id), isCut ? `…${path}` : path);
    return true;
  }

  #file(at: number): boolean {
    const fields = this.#fields;
    const bytes = fields.u16(at + FILE.path_bytes);
    if (!this.#holds(at, FILE.size, bytes)) return false;
    const isAsked = fields.u8(at + FILE.is_asked) !== 0;
    const pathAt = at + FILE.size;
    this.#take.file({
      timeNs: fields.u64(at + HEAD.time_ns),
      pid: fields.u32(at + FILE.pid),
      startNs: fields.u64(at + FILE.start_ns),
      process: fields.text(at + FILE.process, NAME_BYTES),
      result: fields.u32(at + FILE.result) | 0,
      openFlags: fields.u32(at + FILE.open_flags),
      path: isAsked ? fields.text(pathAt, bytes) : decodePath(fields, pathAt, bytes),
      isAsked,
      isCut: fields.u8(at + FILE.is_cut) !== 0,
    });
    return true;
  }
}

/** The smallest record of the lens. */
const FORM = { lens: LENS, size: Math.min(RECORD.size, CGROUP.size, FILE.size) };

/** Least bytes of a record of each kind. */
const LEAST_BYTES: Readonly<Record<number, number>> = {
  [RecordKind.fork]: RECORD.size,
  [RecordKind.exec]: RECORD.size,
  [RecordKind.exit]: RECORD.size,
  [RecordKind.found]: RECORD.size,
  [RecordKind.cgroup]: CGROUP.size,
  [RecordKind.file]: FILE.size,
};

/** Hands over the records of a batch. Returns how many were dropped: not of this lens, of no known kind, or impossible. */
export function decodeRecords(
  bytes: Uint8Array,
  take: RecordTaker,
  isLittleEndian: boolean = IS_LITTLE_ENDIAN,
): number {
  const fields = new FieldReader(bytes, isLittleEndian);
  const batch = new Batch(fields, take);
  let invalid = 0;
  const skipped = stepRecords(fields, FORM, (at) => {
    const least = LEAST_BYTES[fields.u8(at + HEAD.kind)];
    if (least === undefined || fields.u16(at + HEAD.size) < least || !batch.accept(at)) invalid++;
  });
  return skipped + invalid;
}

/** Decodes `struct processes_losses`; throws RangeError when there are fewer bytes. */
export function decodeLosses(bytes: Uint8Array): KernelLosses {
  const fields = new FieldReader(bytes);
  return {
    forksLost: fields.u64(LOSSES.forks_lost),
    execsLost: fields.u64(LOSSES.execs_lost),
    exitsLost: fields.u64(LOSSES.exits_lost),
    filesLost: fields.u64(LOSSES.files_lost),
    cgroupsDeferred: fields.u64(LOSSES.cgroups_deferred),
  };
}
