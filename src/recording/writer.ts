/** Writes a recording: each refresh goes to the file as one frame, so that a killed recorder loses at most the last. */
import { Buffer } from "node:buffer";
import type { Moment } from "../base/clock.ts";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import { FieldWriter } from "../base/field-writer.ts";
import type { LensRecorder } from "../core/recording.ts";
import {
  byteOrder,
  encodeFrame,
  FORMAT_VERSION,
  FrameKind,
  type LensHead,
  MAGIC,
  OPERATION,
  OPERATION_BYTES,
  OperationFlag,
  type RecordingInfo,
} from "./format.ts";

/** A file that is written from its start to its end. Each call throws the system's error. */
export interface RecordingFile {
  /** Writes all bytes or throws. The first call removes the old contents of the file. */
  append(bytes: Uint8Array): void;
  /** Cuts the file to `length` bytes. */
  truncate(length: number): void;
  /** One that was made and has nothing in it is removed. */
  close(): void;
}

/** Operations of this size are written as a part, before the refresh is complete. */
const PART_BYTES = 4 << 20;

/**
 * Takes all that reaches the models, in its order. No method throws: after a failure the file keeps every refresh before,
 * and the refreshes that are missing are counted.
 */
export class RecordingWriter {
  readonly #name: string;
  readonly #file: RecordingFile;
  readonly #operations = new FieldWriter();
  /** Lenses that are recorded, and those of them that have ended the refresh under way. */
  #lenses = 0;
  #ended = 0;
  /** Size of all whole frames. */
  #bytes = 0;
  #hasRefresh = false;
  #failure: ExitError | null = null;
  #reason = "";
  /** Refreshes since the failure, none of which is in the file. */
  #missed = 0;
  #onFailure: () => void = () => {};

  /** `name` is the name of the file in messages. */
  constructor(file: RecordingFile, name: string) {
    this.#file = file;
    this.#name = name;
  }

  /** Why recording has ended (exit code 74); null while it goes on. */
  get failure(): ExitError | null {
    return this.#failure;
  }

  /** The refreshes that are missing, in words; empty: none. */
  get notice(): string {
    const missed = this.#missed;
    return missed === 0 ? "" : `${missed} refresh${missed === 1 ? "" : "es"} not recorded: ${this.#reason}`;
  }

  /** Calls back once, when writing fails. */
  onFailure(listener: () => void): void {
    this.#onFailure = listener;
    if (this.#failure !== null) listener();
  }

  /** Once, before anything is recorded. */
  begin(info: RecordingInfo, lenses: readonly LensHead[]): void {
    const header = { format: FORMAT_VERSION, byteOrder: byteOrder(), ...info, lenses };
    const frame = encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header)));
    this.#append(Buffer.concat([MAGIC, frame]));
  }

  /** What takes the operations of one lens; each lens has one. */
  recorderOf(lens: number): LensRecorder {
    this.#lenses++;
    return {
      operation: (number, mostBytes, write) => {
        this.#operation([lens, number, OperationFlag.critical], mostBytes, write);
        if (this.#operations.bytes >= PART_BYTES)
          this.#append(encodeFrame(FrameKind.part, this.#operations.take()));
      },
      last: (number, mostBytes, at, write) => {
        this.#operation([lens, number, OperationFlag.critical | OperationFlag.last], mostBytes, write);
        if (++this.#ended === this.#lenses) this.#refresh(at);
      },
    };
  }

  /** Nothing is left of a recording without a refresh. */
  close(): void {
    try {
      if (this.#bytes > 0 && !this.#hasRefresh) this.#file.truncate(0);
      this.#file.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #operation(
    [lens, number, flags]: readonly [lens: number, number: number, flags: number],
    mostBytes: number,
    write: (fields: FieldWriter) => void,
  ): void {
    if (this.#failure !== null) return;
    const fields = this.#operations;
    const start = fields.bytes;
    fields.reserve(OPERATION_BYTES + mostBytes);
    fields.u8(lens);
    fields.u8(number);
    fields.u16(flags);
    fields.u32(0);
    write(fields);
    fields.setU32(fields.bytes - start - OPERATION_BYTES, start + OPERATION.bytes);
  }

  /** Writes the frame of a refresh. */
  #refresh(at: Moment): void {
    this.#ended = 0;
    if (this.#failure === null) this.#append(encodeFrame(FrameKind.refresh, this.#operations.take(), at));
    if (this.#failure === null) this.#hasRefresh = true;
    else this.#missed++;
  }

  #append(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    try {
      this.#file.append(bytes);
      this.#bytes += bytes.length;
    } catch (error) {
      this.#takeBack();
      this.#fail(error);
    }
  }

  #takeBack(): void {
    try {
      this.#file.truncate(this.#bytes);
    } catch {
      // A reader leaves an unfinished frame out.
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#reason = reasonOf(error);
    const message = `cannot write to the recording ${this.#name}: ${this.#reason}; what was recorded before is intact`;
    this.#failure = new ExitError(ExitCode.ioError, message, { cause: error });
    this.#onFailure();
  }
}
