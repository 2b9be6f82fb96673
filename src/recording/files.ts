/** Files of recordings: made with care for what is there already, read from a file, a pipe or standard input. */
import { Buffer } from "node:buffer";
import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import type { Readable } from "node:stream";
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";
import { type FileInUse, type Files, OutputFile } from "../base/output-file.ts";
import type { RecordingSource } from "./reader.ts";
import type { RecordingFile } from "./writer.ts";

export interface RecordingFileOptions {
  /** Takes a file that is there, too; it is replaced at the first write. */
  readonly overwrite: boolean;
  /** Files that it must not be. */
  readonly inUse: readonly FileInUse[];
}

/** Makes the file of a recording. Throws ExitError as OutputFile does. */
export function createRecordingFile(
  files: Files,
  path: string,
  { overwrite, inUse }: RecordingFileOptions,
): RecordingFile {
  const output = new OutputFile(files, path, { verb: "record", hint: "" }, inUse);
  const file = output.open(overwrite);
  const { fd } = file;
  let isEmpty = file.isNew;
  return {
    append(bytes) {
      if (!isEmpty) files.truncate(fd, 0);
      isEmpty = true;
      for (let written = 0; written < bytes.length; ) written += files.write(fd, bytes, written);
      if (files.facts(fd).nlink === 0) throw new Error("the file was removed");
    },
    truncate: (length) => files.truncate(fd, length),
    close() {
      try {
        if (file.isNew) output.removeEmpty(file);
      } finally {
        files.close(fd);
      }
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
