/** Writes a recording: each refresh goes to the file as one frame, so that a killed recorder loses at most the last. */
import { Buffer } from "node:buffer";
import type { Moment } from "../base/clock.ts";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import type { FlowRecorder } from "../lenses/flows/intake.ts";
import { WIRE_VERSION } from "../lenses/flows/layout.gen.ts";
import type { Losses } from "../lenses/flows/losses.ts";
import type { FlowOperation } from "../lenses/flows/operation.ts";
import { isFlow, type SeedEntry } from "../lenses/flows/record.ts";
import { byteOrder, encodeFrame, FORMAT_VERSION, FrameKind, MAGIC, type RecordingInfo } from "./format.ts";
import { OperationWriter } from "./operations.ts";

/** A file that is written from its start to its end. Each call throws the system's error. */
export interface RecordingFile {
  /** Writes all bytes or throws. The first call removes the old contents of the file. */
  append(bytes: Uint8Array): void;
  /** Cuts the file to `length` bytes. */
  truncate(length: number): void;
  close(): void;
  /** Closes a file that nothing was written to, and leaves the disk as it was before. */
  discard(): void;
}

/** Operations of this size are written as a part, before the refresh is complete. */
const PART_BYTES = 4 << 20;

/**
 * Takes all that reaches the model, in its order. No method throws: after a failure the file keeps every
 * refresh before, and the refreshes that are missing are counted.
 */
export class RecordingWriter implements FlowRecorder {
  readonly #name: string;
  readonly #file: RecordingFile;
  readonly #operations = new OperationWriter();
  /** Size of all whole frames. */
  #bytes = 0;
  #lastSockets: Buffer | null = null;
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

  /** Once, before anything else. */
  begin(info: RecordingInfo): void {
    const header = { format: FORMAT_VERSION, wire: WIRE_VERSION, byteOrder: byteOrder(), ...info };
    const frame = encodeFrame(FrameKind.info, Buffer.from(JSON.stringify(header)));
    this.#append(Buffer.concat([MAGIC, frame]));
  }

  /** Of a seed only the flows are written, of sockets only those without one. Bytes are copied. */
  write(operation: FlowOperation): void {
    switch (operation.kind) {
      case "seed":
        this.#operations.seed(operation.entries.filter(isFlow), operation.nowNs, this.#writePart);
        break;
      case "records":
        if (this.#failure !== null) return;
        this.#operations.records(operation.bytes);
        this.#writePart();
        break;
      case "sockets":
        this.#writeSockets(operation.entries);
        break;
      case "unmet":
        this.#operations.unmet(operation.keys, operation.nowNs);
        break;
      case "silent":
        this.#operations.silent(operation.sinceNs, operation.nowNs);
        break;
    }
  }

  /** A set that equals the last one is not written again. */
  #writeSockets(entries: readonly SeedEntry[]): void {
    const idle = entries.filter((entry) => !isFlow(entry));
    const encoder = new OperationWriter();
    encoder.sockets(idle, () => {});
    const encoded = encoder.take();
    if (this.#lastSockets?.equals(encoded)) return;
    this.#lastSockets = encoded;
    this.#operations.sockets(idle, this.#writePart);
  }

  /** Ends a refresh and writes its frame. */
  refresh(at: Moment, losses: Losses): void {
    if (this.#failure === null) {
      this.#operations.losses(losses);
      this.#append(encodeFrame(FrameKind.refresh, this.#operations.take(), at));
    }
    if (this.#failure !== null) this.#missed++;
  }

  /** Gives the file up before anything is written. */
  discard(): void {
    this.#file.discard();
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
