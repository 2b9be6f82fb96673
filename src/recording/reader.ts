/** Reads a recording refresh by refresh; the file is not trusted. */
import type { Buffer } from "node:buffer";
import type { Clock } from "../base/clock.ts";
import { DamageError, ExitCode, ExitError } from "../base/errors.ts";
import { Slices } from "../base/slices.ts";
import {
  decodeOperations,
  formOf,
  type Operation,
  type RecordForm,
  type TableSizes,
  WIRE_VERSION,
} from "../lenses.ts";
import {
  byteOrder,
  decodeContents,
  decodeHead,
  FORMAT_VERSION,
  type FrameHead,
  FrameKind,
  HEAD_BYTES,
  MAGIC,
  type RecordingInfo,
} from "./format.ts";

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
  /** Can be read once; throws ExitError 74 where the frame is damaged. */
  operations(): Generator<Operation>;
}

/** Times of the first and the last refresh, CLOCK_MONOTONIC. */
export interface RecordingSpan {
  readonly firstNs: number;
  readonly lastNs: number;
}

/** Contents of the first frame. */
interface CheckedHeader {
  readonly info: RecordingInfo;
  readonly form: RecordForm;
}

const MOST_TEXT = 4096;

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MOST_TEXT;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isTableSizes(value: unknown): value is TableSizes {
  if (typeof value !== "object" || value === null) return false;
  const { maxTcpFlows, maxUdpFlows } = value as Record<string, unknown>;
  return [maxTcpFlows, maxUdpFlows].every(
    (size) => size === null || (isCount(size) && Number.isInteger(size)),
  );
}

/** The sizes in a recording by an older tcptop. */
const UNKNOWN_SIZES: TableSizes = { maxTcpFlows: null, maxUdpFlows: null };

function isStepDowns(value: unknown): value is RecordingInfo["stepDowns"] {
  const isStepDown = (item: unknown) =>
    typeof item === "object" &&
    item !== null &&
    isText((item as Record<string, unknown>)["backend"]) &&
    isText((item as Record<string, unknown>)["reason"]);
  return Array.isArray(value) && value.length <= 16 && value.every(isStepDown);
}

/** The form of a version, which is shown as it is. */
const VERSION = /^\d[\w.+-]{0,63}$/;

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // The error below says so.
  }
  throw new DamageError("the first frame is not a JSON object");
}

export class RecordingReader {
  readonly info: RecordingInfo;
  readonly isSeekable: boolean;
  /** Of the records. */
  readonly form: RecordForm;
  /** Name of the file in messages. */
  readonly name: string;
  readonly #source: RecordingSource;
  /** Where the frame after the first begins. */
  readonly #firstFrame: number;
  #position: number;
  #lastNs = 0;
  #isUnfinished = false;
  #endsInPart = false;

  private constructor(
    source: RecordingSource,
    name: string,
    { info, form }: CheckedHeader,
    position: number,
  ) {
    this.#source = source;
    this.name = name;
    this.info = info;
    this.form = form;
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
    const header = undamaged(name, MAGIC.length, () => {
      if (decoded.kind !== FrameKind.info)
        throw new DamageError("field kind of the first frame is not 1 (info)");
      return parseObject(decodeContents(decoded, contents).toString());
    });
    return new RecordingReader(source, name, checkedHeader(name, header), start + decoded.bytes);
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
    const name = this.name;
    return {
      isRefresh,
      nowNs: head.nowNs,
      wallMs: head.wallMs,
      *operations() {
        const contents = undamaged(name, at, () => decodeContents(head, compressed));
        const decoded = decodeOperations(contents);
        let isOver = false;
        for (;;) {
          const { value, done } = undamaged(name, at, () => decoded.next());
          if (done) break;
          if (isOver) throw damaged(name, at, "an operation follows the losses, which end a refresh");
          isOver = value.kind === "losses";
          yield value;
        }
        if (isRefresh && !isOver) throw damaged(name, at, "the losses, which end a refresh, are missing");
        if (isOver && !isRefresh)
          throw damaged(name, at, "the losses of a refresh are in a frame of kind 2 (part)");
      },
    };
  }

  /** Back to the first refresh; only where the source is seekable. */
  rewind(): void {
    this.#position = this.#firstFrame;
    this.#lastNs = 0;
    this.#endsInPart = false;
  }

  /** Reads the heads of all frames. null without a refresh, and for a source that is not seekable. */
  async span(clock: Clock): Promise<RecordingSpan | null> {
    if (!this.isSeekable) return null;
    const other = new RecordingReader(this.#source, this.name, this, this.#firstFrame);
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

  /** The head of the frame at a position, null at the end. */
  async #head(at: number): Promise<FrameHead | null> {
    const bytes = await readBytes(this.#source, this.name, at, HEAD_BYTES);
    if (bytes.length < HEAD_BYTES) {
      this.#isUnfinished ||= bytes.length > 0;
      return null;
    }
    return undamaged(this.name, at, () => {
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

function undamaged<T>(name: string, position: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DamageError ? damaged(name, position, error.message, error) : error;
  }
}

function checkedHeader(name: string, header: Record<string, unknown>): CheckedHeader {
  const { format, wire, byteOrder: order, version, backend, kernel, stepDowns, udpIdleNs, startNs } = header;
  const tableSizes = header["tableSizes"] ?? UNKNOWN_SIZES;
  const wrong = (field: string, rule: string) =>
    damaged(name, MAGIC.length, `field ${field} of the first frame is not ${rule}`);
  if (!isText(version) || !VERSION.test(version)) throw wrong("version", "a version");
  if (!isCount(format)) throw wrong("format", "a number");
  if (!isCount(wire)) throw wrong("wire", "a number");
  const isKnownFormat = Number.isInteger(format) && format >= 1 && format <= FORMAT_VERSION;
  const form = formOf(wire);
  if (!isKnownFormat || form === null) {
    const message = `${name} is a recording by tcptop ${version} in format ${format}.${wire}; this tcptop reads formats up to ${FORMAT_VERSION}.${WIRE_VERSION}: use tcptop ${version}`;
    throw new ExitError(ExitCode.usage, message);
  }
  if (order !== byteOrder()) {
    throw new ExitError(ExitCode.usage, `${name} was made on a machine with another byte order`);
  }
  if (!isText(backend)) throw wrong("backend", "a text");
  if (!isText(kernel)) throw wrong("kernel", "a text");
  if (!isStepDowns(stepDowns)) throw wrong("stepDowns", "a list of backends and reasons");
  if (!isTableSizes(tableSizes)) throw wrong("tableSizes", "two whole numbers or null");
  if (!isCount(udpIdleNs)) throw wrong("udpIdleNs", "a number from 0");
  if (!isCount(startNs)) throw wrong("startNs", "a number from 0");
  return { info: { version, backend, kernel, stepDowns, tableSizes, udpIdleNs, startNs }, form };
}
