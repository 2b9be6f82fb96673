/** Writes a recording: each refresh goes to the file as one frame, so that a killed recorder loses at most the last. */
import { Buffer } from "node:buffer";
import type { Moment } from "../base/clock.ts";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import { type Losses, type ModelOperation, OperationWriter, type Recorder, WIRE_VERSION } from "../lenses.ts";
import { byteOrder, encodeFrame, FORMAT_VERSION, FrameKind, MAGIC, type RecordingInfo } from "./format.ts";

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
 * Takes all that reaches the model, in its order. No method throws: after a failure the file keeps every
 * refresh before, and the refreshes that are missing are counted.
 */
export class RecordingWriter implements Recorder {
  readonly #name: string;
  readonly #file: RecordingFile;
  readonly #operations = new OperationWriter();
  /** Size of all whole frames. */
  #bytes = 0;
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

  /** Once, before anything else. `info` also has what a lens says of itself. */
  begin(info: Omit<RecordingInfo, "tableSizes" | "udpIdleNs">): void {
    const header = { format: FORMAT_VERSION, wire: WIRE_VERSION, byteOrder: byteOrder(), ...info };
    const frame = encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header)));
    this.#append(Buffer.concat([MAGIC, frame]));
  }

  /** Bytes are copied. */
  write(operation: ModelOperation): void {
    if (this.#failure === null) this.#operations.write(operation, this.#writePart);
  }

  /** Ends a refresh and writes its frame. */
  refresh(at: Moment, losses: Losses): void {
    if (this.#failure === null) {
      this.#operations.losses(losses);
      this.#append(encodeFrame(FrameKind.refresh, this.#operations.take(), at));
    }
    if (this.#failure !== null) this.#missed++;
  }

  close(): void {
    try {
      this.#file.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly #writePart = (): void => {
    if (this.#operations.bytes < PART_BYTES) return;
    const contents = this.#operations.take();
    this.#append(encodeFrame(FrameKind.part, contents));
  };

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
