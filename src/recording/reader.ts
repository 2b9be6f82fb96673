/** Reads a recording refresh by refresh; the file is not trusted. */
import type { Buffer } from "node:buffer";
import type { Clock } from "../base/clock.ts";
import { DamageError, ExitCode, ExitError, NewerError } from "../base/errors.ts";
import { Slices } from "../base/slices.ts";
import type { RecordedLens } from "../core/recording.ts";
import {
  decodeContents,
  decodeHead,
  type FrameHead,
  FrameKind,
  HEAD_BYTES,
  MAGIC,
  type RecordingInfo,
} from "./format.ts";
import { type Header, readHeader, UnknownFormat } from "./header.ts";
import { Operations, type RecordedOperation } from "./operations.ts";

/** The bytes of a recording: a file or a pipe. */
export interface RecordingSource {
  /** Whether bytes can be read a second time: false for a pipe. */
  readonly isSeekable: boolean;
  /**
   * The bytes from `position` on, fewer only at the end. A source that is not seekable is read in order.
   * Throws the system's error.
   */
  read(position: number, bytes: number): Promise<Buffer>;
  close(): void;
}

/** One refresh, or a part of one. */
export interface RecordingFrame {
  readonly isRefresh: boolean;
  /** CLOCK_MONOTONIC of the refresh, 0 for a part. */
  readonly nowNs: number;
  /** Milliseconds since 1970 at the refresh, 0 for a part. */
  readonly wallMs: number;
  /**
   * Calls `take` for each operation, in order. Throws ExitError 74 where the frame is damaged, also where `take` throws
   * DamageError, and 64 where it throws NewerError.
   */
  read(take: (operation: RecordedOperation) => void): void;
}

/** Times of the first and the last refresh, CLOCK_MONOTONIC. */
export interface RecordingSpan {
  readonly firstNs: number;
  readonly lastNs: number;
}

export class RecordingReader {
  readonly info: RecordingInfo;
  readonly isSeekable: boolean;
  /** Name of the file in messages. */
  readonly name: string;
  readonly #source: RecordingSource;
  readonly #header: Header;
  readonly #operations: Operations;
  /** Where the frame after the first begins. */
  readonly #firstFrame: number;
  #position: number;
  #lastNs = 0;
  #isUnfinished = false;
  #endsInPart = false;

  private constructor(source: RecordingSource, name: string, header: Header, position: number) {
    this.#source = source;
    this.name = name;
    this.info = header.info;
    this.#header = header;
    this.#operations = new Operations(header);
    this.isSeekable = source.isSeekable;
    this.#firstFrame = position;
    this.#position = position;
  }

  /**
   * Reads the first frame. `name` is the name of the file in messages. Throws ExitError 64 for a file that is not a
   * recording or that a newer tcptop made, 74 for one that is damaged or cannot be read.
   */
  static async open(source: RecordingSource, name: string): Promise<RecordingReader> {
    const magic = await readBytes(source, name, 0, MAGIC.length);
    if (!magic.equals(MAGIC)) {
      const reason = magic.length === 0 ? "is empty" : "is not a recording of tcptop";
      throw new ExitError(ExitCode.usage, `${name} ${reason}; --record makes one`);
    }
    const head = await readBytes(source, name, MAGIC.length, HEAD_BYTES);
    if (head.length < HEAD_BYTES) throw endsEarly(name);
    const start = MAGIC.length + HEAD_BYTES;
    const decoded = undamaged(name, MAGIC.length, () => decodeHead(head));
    const contents = await readBytes(source, name, start, decoded.bytes);
    if (contents.length < decoded.bytes) throw endsEarly(name);
    const header = undamagedHeader(name, () => {
      if (decoded.kind !== FrameKind.info)
        throw new DamageError("field kind of the first frame is not 1 (info)");
      return readHeader(decodeContents(decoded, contents).toString());
    });
    return new RecordingReader(source, name, header, start + decoded.bytes);
  }

  /** The lenses that were recorded. */
  get lenses(): readonly RecordedLens[] {
    return this.#header.lenses;
  }

  /** Those without which it must not be played. */
  get criticalLenses(): readonly RecordedLens[] {
    return this.#header.lenses.filter(({ number }) => this.#header.critical.has(number));
  }

  /** What `read` makes of the first frame. Throws ExitError 74 where it throws DamageError, 64 where NewerError. */
  inHead<T>(read: () => T): T {
    return this.#undamaged(MAGIC.length, read);
  }

  /** Whether the recording ends in an unfinished refresh, which is left out. Known at the end. */
  get isUnfinished(): boolean {
    return this.#isUnfinished;
  }

  /** The next frame, null at the end. Throws ExitError 74 where the file is damaged or cannot be read. */
  async next(): Promise<RecordingFrame | null> {
    const at = this.#position;
    const head = await this.#head(at);
    const compressed = head && (await readBytes(this.#source, this.name, at + HEAD_BYTES, head.bytes));
    if (head === null || compressed === null || compressed.length < head.bytes) {
      this.#isUnfinished ||= head !== null || this.#endsInPart;
      return null;
    }
    const isRefresh = head.kind === FrameKind.refresh;
    this.#position = at + HEAD_BYTES + head.bytes;
    this.#endsInPart = !isRefresh;
    if (isRefresh) this.#lastNs = head.nowNs;
    return {
      isRefresh,
      nowNs: head.nowNs,
      wallMs: head.wallMs,
      read: (take) =>
        this.#undamaged(at, () => this.#operations.read(decodeContents(head, compressed), isRefresh, take)),
    };
  }

  /** Back to the first refresh; only where the source is seekable. */
  rewind(): void {
    this.#position = this.#firstFrame;
    this.#lastNs = 0;
    this.#endsInPart = false;
    this.#operations.rewind();
  }

  /** Reads the heads of all frames. null without a refresh, and for a source that is not seekable. */
  async span(clock: Clock): Promise<RecordingSpan | null> {
    if (!this.isSeekable) return null;
    const other = new RecordingReader(this.#source, this.name, this.#header, this.#firstFrame);
    const slices = new Slices(clock);
    let firstNs: number | null = null;
    try {
      for (let head = await other.#skip(); head !== null; head = await other.#skip()) {
        if (head.kind === FrameKind.refresh) firstNs ??= head.nowNs;
        if (slices.areDue()) await slices.next();
      }
    } catch (error) {
      // next() throws the same error at that place.
      if (!(error instanceof ExitError)) throw error;
    }
    return firstNs === null ? null : { firstNs, lastNs: other.#lastNs };
  }

  close(): void {
    this.#source.close();
  }

  /** The head of the next whole frame; skips the contents. null at the end. */
  async #skip(): Promise<FrameHead | null> {
    const head = await this.#head(this.#position);
    if (head === null) return null;
    this.#position += HEAD_BYTES + head.bytes;
    const last = await readBytes(this.#source, this.name, this.#position - 1, 1);
    if (last.length === 0) return null;
    if (head.kind === FrameKind.refresh) this.#lastNs = head.nowNs;
    return head;
  }

  /** Says in which file and where, or that a newer tcptop is needed. */
  #undamaged<T>(position: number, read: () => T): T {
    try {
      return undamaged(this.name, position, read);
    } catch (error) {
      throw error instanceof NewerError ? newerError(this.name, this.info.version, error.message) : error;
    }
  }

  /** The head of the frame at a position, null at the end. */
  async #head(at: number): Promise<FrameHead | null> {
    const bytes = await readBytes(this.#source, this.name, at, HEAD_BYTES);
    if (bytes.length < HEAD_BYTES) {
      this.#isUnfinished ||= bytes.length > 0;
      return null;
    }
    return this.#undamaged(at, () => {
      const head = decodeHead(bytes);
      if (head.kind === FrameKind.info) throw new DamageError("field kind of a later frame is 1 (info)");
      if (head.kind === FrameKind.refresh && head.nowNs < this.#lastNs)
        throw new DamageError("field now_ns is less than that of the frame before");
      return head;
    });
  }
}

async function readBytes(
  source: RecordingSource,
  name: string,
  position: number,
  bytes: number,
): Promise<Buffer> {
  try {
    return await source.read(position, bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/, read$/, "") : String(error);
    throw new ExitError(ExitCode.ioError, `cannot read ${name}: ${reason}`, { cause: error });
  }
}

function damaged(name: string, position: number, what: string, cause?: unknown): ExitError {
  return new ExitError(ExitCode.ioError, `${name}: byte ${position}: ${what}`, { cause });
}

function endsEarly(name: string): ExitError {
  return new ExitError(ExitCode.ioError, `${name} ends before its first refresh`);
}

function newerError(name: string, version: string, what: string): ExitError {
  const message = `${name} is a recording by tcptop ${version}, ${what}: use tcptop ${version}`;
  return new ExitError(ExitCode.usage, message);
}

/** Of the first frame, in which the version may be wrong too. */
function undamagedHeader(name: string, read: () => Header): Header {
  try {
    return undamaged(name, MAGIC.length, read);
  } catch (error) {
    if (error instanceof UnknownFormat)
      throw new ExitError(ExitCode.usage, `${name} is a recording ${error.message}`);
    throw error;
  }
}

function undamaged<T>(name: string, position: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DamageError ? damaged(name, position, error.message, error) : error;
  }
}
