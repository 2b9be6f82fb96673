/** The operations in the frames of a recording: whose they are, and where a refresh ends. */
import type { Buffer } from "node:buffer";
import { DamageError } from "../base/errors.ts";
import { OPERATION, OPERATION_BYTES, OperationFlag } from "./format.ts";
import type { Header } from "./header.ts";

export interface RecordedOperation {
  /** Number of the lens, one of the first frame's. */
  readonly lens: number;
  readonly number: number;
  /** Whether who knows the lens must not step over it. */
  readonly isCritical: boolean;
  readonly bytes: Buffer;
}

/** An operation, and whether it is the last one of its lens in the refresh. */
interface Ending extends RecordedOperation {
  readonly isLast: boolean;
}

/** In formats 1 and 2: the number of an operation and its size. */
const SHORT_HEAD_BYTES = 5;
/** The operation that ends a refresh there. */
const LOSSES = 4;

function endsEarly(): DamageError {
  return new DamageError("the frame ends before its last operation");
}

/** The bytes of a frame from `start` on, as many as an operation says that it has. */
function fieldsAt(contents: Buffer, start: number, bytes: number): Buffer {
  if (start + bytes > contents.length) throw endsEarly();
  return contents.subarray(start, start + bytes);
}

function* decodeShort(contents: Buffer, lens: number): Generator<Ending> {
  for (let at = 0; at < contents.length; ) {
    if (contents.length - at < SHORT_HEAD_BYTES) throw endsEarly();
    const number = contents.readUInt8(at);
    const bytes = fieldsAt(contents, at + SHORT_HEAD_BYTES, contents.readUInt32LE(at + 1));
    yield { lens, number, isCritical: true, bytes, isLast: number === LOSSES };
    at += SHORT_HEAD_BYTES + bytes.length;
  }
}

function* decode(contents: Buffer): Generator<Ending> {
  for (let at = 0; at < contents.length; ) {
    if (contents.length - at < OPERATION_BYTES) throw endsEarly();
    const flags = contents.readUInt16LE(at + OPERATION.flags);
    const bytes = fieldsAt(contents, at + OPERATION_BYTES, contents.readUInt32LE(at + OPERATION.bytes));
    yield {
      lens: contents.readUInt8(at + OPERATION.lens),
      number: contents.readUInt8(at + OPERATION.number),
      isCritical: (flags & OperationFlag.critical) !== 0,
      isLast: (flags & OperationFlag.last) !== 0,
      bytes,
    };
    at += OPERATION_BYTES + bytes.length;
  }
}

/** Reads frame after frame, since a refresh may have several. */
export class Operations {
  readonly #isOfOneLens: boolean;
  /** By their numbers. */
  readonly #ids: ReadonlyMap<number, string>;
  readonly #ended = new Set<number>();

  constructor({ isOfOneLens, lenses }: Header) {
    this.#isOfOneLens = isOfOneLens;
    this.#ids = new Map(lenses.map(({ number, id }) => [number, id]));
  }

  /** From the first refresh on again. */
  rewind(): void {
    this.#ended.clear();
  }

  /** Calls `take` for each operation of a frame. Throws DamageError for contents that no writer writes. */
  read(contents: Buffer, isRefresh: boolean, take: (operation: RecordedOperation) => void): void {
    const [first] = this.#ids.keys();
    const operations = this.#isOfOneLens ? decodeShort(contents, first ?? 0) : decode(contents);
    for (const { isLast, ...operation } of operations) {
      this.#check(operation, isLast && !isRefresh);
      take(operation);
      if (isLast) this.#ended.add(operation.lens);
    }
    if (!isRefresh) return;
    for (const [lens, id] of this.#ids) {
      if (!this.#ended.has(lens))
        throw new DamageError(`the last operation of ${id} in a refresh is missing`);
    }
    this.#ended.clear();
  }

  #check({ lens, number }: RecordedOperation, endsPart: boolean): void {
    const id = this.#ids.get(lens);
    if (id === undefined)
      throw new DamageError(`operation ${number} is of lens ${lens}, not one of the first frame`);
    if (endsPart) throw new DamageError(`the last operation of ${id} is in a frame of kind 2 (part)`);
    if (this.#ended.has(lens))
      throw new DamageError(`operation ${number} of ${id} follows its last one in a refresh`);
  }
}
