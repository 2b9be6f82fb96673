/** Files of recordings: made with care for what is there already, read from a file, a pipe or standard input. */
import { Buffer } from "node:buffer";
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { Readable } from "node:stream";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import type { RecordingSource } from "./reader.ts";
import type { RecordingFile } from "./writer.ts";

function systemCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function cannotCreate(path: string, reason: string, cause?: unknown): ExitError {
  return new ExitError(ExitCode.cannotCreate, `cannot create ${path}: ${reason}`, { cause });
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK } = constants;

interface Opened {
  readonly fd: number;
  /** It was not there before. */
  readonly isNew: boolean;
}

function openForWriting(path: string, overwrite: boolean): Opened {
  try {
    return { fd: openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o666), isNew: true };
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw cannotCreate(path, reasonOf(error), error);
    if (!overwrite) throw cannotCreate(path, "it exists; --overwrite replaces it", error);
  }
  try {
    // Opening a pipe without a reader must not wait for one.
    return { fd: openSync(path, O_WRONLY | (O_NONBLOCK ?? 0)), isNew: false };
  } catch (error) {
    throw cannotCreate(path, reasonOf(error), error);
  }
}

/**
 * Makes the file of a recording; one that is there is replaced with `overwrite` only, at the first write. Throws
 * ExitError 73 where it cannot be made, or is no regular file.
 */
export function createRecordingFile(path: string, overwrite: boolean): RecordingFile {
  const { fd, isNew } = openForWriting(path, overwrite);
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw cannotCreate(path, "it is not a regular file");
  }
  let isEmpty = isNew;
  return {
    append(bytes) {
      if (!isEmpty) ftruncateSync(fd);
      isEmpty = true;
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
      if (fstatSync(fd).nlink === 0) throw new Error("the file was removed");
    },
    truncate: (length) => ftruncateSync(fd, length),
    close: () => closeSync(fd),
    discard() {
      closeSync(fd);
      if (isNew) rmSync(path, { force: true });
    },
  };
}

class FileSource implements RecordingSource {
  readonly isSeekable = true;
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(position: number, bytes: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(bytes);
    let filled = 0;
    while (filled < bytes) {
      const read = readSync(this.#fd, buffer, filled, bytes - filled, position + filled);
      if (read === 0) break;
      filled += read;
    }
    return buffer.subarray(0, filled);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What comes only once. */
class StreamSource implements RecordingSource {
  readonly isSeekable = false;
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<Buffer>;
  #waiting: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async read(_: number, bytes: number): Promise<Buffer> {
    const parts = [this.#waiting];
    let filled = this.#waiting.length;
    while (filled < bytes) {
      const { value, done } = await this.#chunks.next();
      if (done) break;
      parts.push(value);
      filled += value.length;
    }
    const all = Buffer.concat(parts);
    this.#waiting = all.subarray(bytes);
    return all.subarray(0, bytes);
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** Opens a recording; `-` is standard input. Throws ExitError 64 where there is nothing to read. */
export function openRecordingSource(path: string, standardInput: Readable): RecordingSource {
  if (path === "-") return new StreamSource(standardInput);
  let fd: number | null = null;
  try {
    fd = openSync(path, "r");
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error("it is a directory");
    return stat.isFile() ? new FileSource(fd) : new StreamSource(createReadStream(path, { fd }));
  } catch (error) {
    if (fd !== null) closeSync(fd);
    throw new ExitError(ExitCode.usage, `--replay: cannot read '${path}': ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
