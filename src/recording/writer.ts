/** Writes a recording: each refresh goes to the file as one frame, so that a killed recorder loses at most the last. */
import { Buffer } from "node:buffer";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import type { Losses } from "../model/losses.ts";
import { isFlow, type SeedEntry } from "../model/record.ts";
import { WIRE_VERSION } from "../wire/layout.gen.ts";
import { byteOrder, encodeFrame, FORMAT_VERSION, FrameKind, MAGIC, type RecordingInfo } from "./format.ts";
import { OperationWriter } from "./operations.ts";

/** A file that is written from its start to its end. Each call throws the system's error. */
export interface RecordingFile {
  /** Writes all of it, or throws; the first time what the file held before is gone. */
  append(bytes: Uint8Array): void;
  /** Takes back what was written behind `length` bytes. */
  truncate(length: number): void;
  close(): void;
  /** In place of everything else: nothing will be written, and all is as it was. */
  discard(): void;
}

/** A frame is written before a refresh is complete once it has so much. */
const PART_BYTES = 4 << 20;

/**
 * Told of every input of the aggregator in its order. It never throws once the file is there: after a
 * failure the file keeps every refresh before, and the refreshes that are missing are counted.
 */
export class RecordingWriter {
  readonly #name: string;
  readonly #file: RecordingFile;
  readonly #operations = new OperationWriter();
  /** Of all whole frames. */
  #bytes = 0;
  #lastSockets: Buffer | null = null;
  #failure: ExitError | null = null;
  #reason = "";
  /** Refreshes since the failure. */
  #missed = 0;
  #onFailure: () => void = () => {};

  /** `name` is what a message calls the file. */
  constructor(file: RecordingFile, name: string) {
    this.#file = file;
    this.#name = name;
  }

  /** Why nothing more is recorded (exit code 74); null while all is. */
  get failure(): ExitError | null {
    return this.#failure;
  }

  /** What is missing since the failure, in words; empty: nothing. */
  get notice(): string {
    const missed = this.#missed;
    return missed === 0 ? "" : `${missed} refresh${missed === 1 ? "" : "es"} not recorded: ${this.#reason}`;
  }

  /** Calls back once, when writing turns out to be impossible. */
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

  /** What existed before; sockets without a flow are no matter of the seed. */
  seed(entries: readonly SeedEntry[], nowNs: number): void {
    this.#operations.seed(entries.filter(isFlow), nowNs, this.#writePart);
  }

  /** Records as they came, in the layout of bpf/wire.h. The bytes are copied. */
  records(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    this.#operations.records(bytes);
    this.#writePart();
  }

  /** The sockets that are shown besides the flows; the same as before are not written again. */
  sockets(entries: readonly SeedEntry[]): void {
    const idle = entries.filter((entry) => !isFlow(entry));
    const encoder = new OperationWriter();
    encoder.sockets(idle, () => {});
    const encoded = encoder.take();
    if (this.#lastSockets?.equals(encoded)) return;
    this.#lastSockets = encoded;
    this.#operations.sockets(idle, this.#writePart);
  }

  /** As Aggregator.endUnmet(). */
  endUnmet(keys: readonly number[], nowNs: number): void {
    this.#operations.unmet(keys, nowNs);
  }

  /** As Aggregator.endSilent(). */
  endSilent(sinceNs: number, nowNs: number): void {
    this.#operations.silent(sinceNs, nowNs);
  }

  /** Ends a refresh and writes it. */
  refresh(at: { readonly nowNs: number; readonly wallMs: number }, losses: Losses): void {
    if (this.#failure === null) {
      this.#operations.losses(losses);
      this.#append(encodeFrame(FrameKind.refresh, this.#operations.take(), at));
    }
    if (this.#failure !== null) this.#missed++;
  }

  /** In place of everything else: there is nothing to record. */
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
