/** The file of a log: whole refreshes are appended to it, and it is never left with half a row inside. */
import { ExitCode, type ExitCodeValue, ExitError, reasonOf } from "../base/errors.ts";
import { type FileInUse, type Files, type OpenFile, OutputFile } from "../base/output-file.ts";

const PURPOSE = { verb: "log", hint: "; --format csv writes to standard output" };

const LINE_FEED = 0x0a;
const CHUNK_BYTES = 65_536;

/** The header of a log, and of logs of older versions. */
export interface Headers {
  /** With its end of line. */
  readonly current: string;
  /** The header of the first version, without an end of line. Later ones have more columns at the right. */
  readonly oldest: string;
}

export interface LogFileOptions {
  readonly headers: Headers;
  readonly wallMs: () => number;
  /** Files that it must not be. */
  readonly inUse: readonly FileInUse[];
  /** Gets remarks for the user. */
  readonly tell: (remark: string) => void;
}

/** Where the last whole line ends. */
function endOfLines(files: Files, fd: number, size: number): number {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const bytes = files.read(fd, chunk.subarray(0, end - start), start);
    const last = chunk.subarray(0, bytes).lastIndexOf(LINE_FEED);
    if (last >= 0) return start + last + 1;
  }
  return 0;
}

/**
 * An append-only file of lines below a header, held under a lock so that two tcptops do not write to one.
 * Its methods throw ExitError: 73 for a file that must not be written to or cannot be made, 74 when writing
 * fails; whatever was written before stays whole, and the next `append` tries again.
 */
export class LogFile {
  readonly path: string;
  readonly #files: Files;
  readonly #options: LogFileOptions;
  readonly #header: Buffer;
  readonly #output: OutputFile;
  #file: OpenFile | null = null;
  /** The file is an older version's, which is set aside before anything is written. */
  #isOlder = false;
  /** Where whole lines end, if what follows has still to be cut off. */
  #cutTo: number | null = null;

  constructor(files: Files, path: string, options: LogFileOptions) {
    this.#files = files;
    this.path = path;
    this.#options = options;
    this.#header = Buffer.from(options.headers.current);
    this.#output = new OutputFile(files, path, PURPOSE, options.inUse);
  }

  /** The file, while it is open. */
  get inUse(): FileInUse[] {
    if (this.#file === null) return [];
    const { dev, ino } = this.#files.facts(this.#file.fd);
    return [{ name: "--log", dev, ino }];
  }

  /**
   * Opens the file and checks that it is ours; changes nothing before the first `append`, which cuts off an
   * unfinished row at its end, or sets a file of an older version aside. `overwrite`: takes any file, which that
   * empties.
   */
  open(overwrite: boolean): void {
    this.#open(overwrite, ExitCode.cannotCreate);
  }

  /** Opens what is at the path now, which may be another file. */
  reopen(): void {
    this.close();
    this.#open(false, ExitCode.ioError);
  }

  /** Writes whole lines, under the header in a file that is empty. All of them are written, or none. */
  append(lines: string | Iterable<string>): void {
    if (this.#file === null || this.#isDeleted(this.#file.fd)) this.reopen();
    if (this.#isOlder) this.#beginAnew();
    if (this.#file === null) throw new Error("a log file is not open");
    const { fd } = this.#file;
    try {
      this.#cut(fd);
      const end = this.#files.facts(fd).size;
      this.#write(fd, end, this.#chunks(typeof lines === "string" ? [lines] : lines, end === 0));
    } catch (error) {
      throw this.#output.ioError(error);
    }
  }

  /** Gives the file back; one that was made and never written to is removed. Safe to call twice. */
  close(): void {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    this.#isOlder = false;
    this.#cutTo = null;
    try {
      if (file.isNew) this.#output.removeEmpty(file);
    } finally {
      this.#closeNow(file.fd);
    }
  }

  #open(overwrite: boolean, cannotCreate: ExitCodeValue): void {
    const file = this.#output.open(true, cannotCreate);
    const { fd } = file;
    try {
      const { size } = this.#files.facts(fd);
      const isOlder = !overwrite && size > 0 && !this.#isOurs(fd);
      const end = overwrite ? 0 : endOfLines(this.#files, fd, size);
      this.#isOlder = isOlder;
      this.#cutTo = !isOlder && end < size ? end : null;
      this.#file = file;
      if (!overwrite && this.#cutTo !== null) {
        this.#options.tell(`${this.path} ends in an unfinished row of ${size - end} bytes, which is cut off`);
      }
    } catch (error) {
      this.#files.close(fd);
      throw error instanceof ExitError ? error : this.#output.ioError(error);
    }
  }

  /** Sets the file of an older version aside, and makes a new one in its place. */
  #beginAnew(): void {
    const older = this.#file;
    if (older === null) return;
    const date = new Date(this.#options.wallMs()).toISOString().slice(0, "2026-11-21".length);
    const to = this.#output.setAside(older, date);
    if (to === null) {
      this.reopen();
      if (this.#isOlder) throw this.#output.refusal("another program keeps replacing it");
      return;
    }
    this.#options.tell(
      `${this.path} has the columns of an older tcptop; it is now ${to}, and a new file is begun`,
    );
    this.close();
    this.#file = this.#output.create(older.place, ExitCode.ioError);
  }

  /** False for the header of an older version. Throws ExitError 73 for any other file. */
  #isOurs(fd: number): boolean {
    const start = Buffer.alloc(this.#header.length);
    const bytes = start.subarray(0, this.#files.read(fd, start, 0));
    if (bytes.equals(this.#header)) return true;
    const { current, oldest } = this.#options.headers;
    const [line = "", ...rest] = bytes.toString("latin1").split("\n");
    if (rest.length > 0 && `${line},`.startsWith(`${oldest},`) && current.startsWith(`${line},`))
      return false;
    throw this.#output.refusal("its first line is not the header of a tcptop log; --overwrite replaces it");
  }

  #isDeleted(fd: number): boolean {
    return this.#files.facts(fd).nlink === 0;
  }

  /** Under the header where the file is empty. */
  *#chunks(pieces: Iterable<string>, isEmpty: boolean): Generator<Uint8Array> {
    let head = isEmpty ? this.#header : null;
    for (const piece of pieces) {
      const bytes = Buffer.from(piece);
      yield head === null ? bytes : Buffer.concat([head, bytes]);
      head = null;
    }
    if (head !== null) yield head;
  }

  #write(fd: number, end: number, chunks: Iterable<Uint8Array>): void {
    try {
      for (const bytes of chunks) {
        for (let written = 0; written < bytes.length; ) {
          const count = this.#files.write(fd, bytes, written);
          if (count <= 0) throw new Error("nothing was written");
          written += count;
        }
      }
    } catch (error) {
      this.#cutTo = end;
      this.#cutAfter(error, fd);
      throw error;
    }
  }

  /** After a write that failed half-way: if this fails too, the next `append` tries it again. */
  #cutAfter(failure: unknown, fd: number): void {
    try {
      this.#cut(fd);
    } catch (error) {
      const both = `${reasonOf(failure)}; half a row is left at its end: ${reasonOf(error)}`;
      throw new Error(both, { cause: failure });
    }
  }

  #cut(fd: number): void {
    if (this.#cutTo === null) return;
    // Somebody else may have emptied it; cutting must not make it longer.
    if (this.#files.facts(fd).size > this.#cutTo) this.#files.truncate(fd, this.#cutTo);
    this.#cutTo = null;
  }

  /** Some file systems report a full disk only at this call. */
  #closeNow(fd: number): void {
    try {
      this.#files.close(fd);
    } catch (error) {
      throw this.#output.ioError(error);
    }
  }
}
