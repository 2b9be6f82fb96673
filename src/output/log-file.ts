/** The file of a log: whole refreshes are appended to it, and it is never left with half a row inside. */
import { constants } from "node:fs";
import { dirname } from "node:path";
import { ExitCode, type ExitCodeValue, ExitError, reasonOf } from "../base/errors.ts";

/** What is known of a file; ids of users are 0 where there are none. */
export interface FileFacts {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  readonly size: number;
  readonly nlink: number;
  readonly dev: number;
  readonly ino: number;
  readonly uid: number;
  readonly mode: number;
}

/** The calls a log makes of the system, as `node:fs` has them; tests let them fail. */
export interface Files {
  open(path: string, flags: number, mode?: number): number;
  facts(fd: number): FileFacts;
  factsAt(path: string): FileFacts;
  /** Of a symbolic link itself. */
  linkFactsAt(path: string): FileFacts;
  realPath(path: string): string;
  read(fd: number, to: Uint8Array, position: number): number;
  write(fd: number, bytes: Uint8Array, from: number): number;
  truncate(fd: number, bytes: number): void;
  unlink(path: string): void;
  close(fd: number): void;
  /** False when another tcptop has the lock. */
  lock(fd: number): boolean;
  /** null on systems without user ids. */
  readonly userId: number | null;
}

/** Whoever talks to whom is nobody else's business; the umask may take more away. */
const MODE = 0o640;

/** Opening must not wait for a pipe's reader, take over a terminal or follow a link put there meanwhile. */
const FLAGS =
  constants.O_RDWR |
  constants.O_APPEND |
  (constants.O_NONBLOCK ?? 0) |
  (constants.O_NOCTTY ?? 0) |
  (constants.O_NOFOLLOW ?? 0);

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;
const LINE_FEED = 0x0a;
const CHUNK_BYTES = 65_536;

interface Opened {
  readonly fd: number;
  /** Made by this log. */
  readonly isNew: boolean;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
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
  readonly #header: Buffer;
  readonly #tell: (remark: string) => void;
  #fd: number | null = null;
  #isNew = false;
  /** Where whole lines end, if what follows has still to be cut off. */
  #cutTo: number | null = null;

  /** `tell` is given remarks for the user. */
  constructor(files: Files, path: string, header: string, tell: (remark: string) => void) {
    this.#files = files;
    this.path = path;
    this.#header = Buffer.from(header);
    this.#tell = tell;
  }

  /**
   * Opens the file and checks that it is ours; changes nothing in it before the first `append`, which cuts off
   * an unfinished row at its end. `overwrite`: takes any file, which that empties.
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
  append(lines: string): void {
    if (this.#fd === null || this.#isDeleted(this.#fd)) this.reopen();
    const fd = this.#fd;
    if (fd === null) throw new Error("a log file is not open");
    try {
      this.#cut(fd);
      const end = this.#files.facts(fd).size;
      const text = Buffer.from(lines);
      this.#write(fd, end, end === 0 ? Buffer.concat([this.#header, text]) : text);
    } catch (error) {
      throw this.#ioError(error);
    }
  }

  /** Gives the file back; one that was made and never written to is removed. Safe to call twice. */
  close(): void {
    const fd = this.#fd;
    if (fd === null) return;
    this.#fd = null;
    this.#cutTo = null;
    try {
      if (this.#isNew) this.#removeEmpty(fd);
    } finally {
      this.#closeNow(fd);
    }
  }

  #open(overwrite: boolean, cannotCreate: ExitCodeValue): void {
    const { fd, isNew } = this.#find(cannotCreate);
    try {
      if (!this.#files.lock(fd)) throw this.#refusal("another tcptop writes to it");
      const { size } = this.#files.facts(fd);
      if (!overwrite && size > 0 && !this.#hasHeader(fd)) {
        throw this.#refusal("it does not begin with the header of this log; --overwrite would replace it");
      }
      const end = overwrite ? 0 : endOfLines(this.#files, fd, size);
      this.#cutTo = end < size ? end : null;
      this.#isNew = isNew;
      this.#fd = fd;
      if (!overwrite && end < size) {
        this.#tell(`${this.path} ends in an unfinished row of ${size - end} bytes, which is cut off`);
      }
    } catch (error) {
      this.#files.close(fd);
      throw error instanceof ExitError ? error : this.#ioError(error);
    }
  }

  #find(cannotCreate: ExitCodeValue): Opened {
    const entry = this.#entry(cannotCreate);
    if (entry === null) return { fd: this.#create(cannotCreate), isNew: true };
    this.#refusePlanted(entry, this.path);
    let fd: number;
    let place: string;
    try {
      place = this.#files.realPath(this.path);
      // Before it is opened, too: opening a device may do something.
      this.#refuseUnlessFile(this.#files.factsAt(place));
      fd = this.#files.open(place, FLAGS);
    } catch (error) {
      if (isMissing(error) && entry.isSymbolicLink()) {
        throw this.#refusal("it is a symbolic link to a file that does not exist");
      }
      throw error instanceof ExitError ? error : this.#ioError(error);
    }
    try {
      const facts = this.#files.facts(fd);
      this.#refuseUnlessFile(facts);
      this.#refusePlanted(facts, place);
    } catch (error) {
      this.#files.close(fd);
      throw error instanceof ExitError ? error : this.#ioError(error);
    }
    return { fd, isNew: false };
  }

  /** null: there is nothing of that name. */
  #entry(cannotCreate: ExitCodeValue): FileFacts | null {
    try {
      return this.#files.linkFactsAt(this.path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw this.#creationError(error, cannotCreate);
    }
  }

  #create(cannotCreate: ExitCodeValue): number {
    try {
      return this.#files.open(this.path, FLAGS | constants.O_CREAT | constants.O_EXCL, MODE);
    } catch (error) {
      throw this.#creationError(error, cannotCreate);
    }
  }

  #refuseUnlessFile(facts: FileFacts): void {
    if (facts.isDirectory()) throw this.#refusal("it is a directory");
    if (!facts.isFile()) {
      throw this.#refusal("it is not a regular file; --format csv writes to standard output");
    }
  }

  /**
   * Where everybody may put files, one that belongs to neither this user nor the directory's owner may be a
   * trap for the log's rows or for another file: what Linux refuses by fs.protected_symlinks and
   * fs.protected_regular, here whatever they are set to.
   */
  #refusePlanted({ uid }: FileFacts, place: string): void {
    const { userId } = this.#files;
    if (userId === null || uid === userId) return;
    const folder = this.#files.factsAt(dirname(place));
    const isShared = (folder.mode & STICKY) !== 0 && (folder.mode & WRITABLE_BY_OTHERS) !== 0;
    if (isShared && uid !== folder.uid) {
      throw this.#refusal(`it belongs to user ${uid}, in a directory where others may put files`);
    }
  }

  #hasHeader(fd: number): boolean {
    const start = new Uint8Array(this.#header.length);
    return this.#files.read(fd, start, 0) === start.length && this.#header.equals(start);
  }

  #isDeleted(fd: number): boolean {
    return this.#files.facts(fd).nlink === 0;
  }

  #write(fd: number, end: number, bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length; ) {
        const count = this.#files.write(fd, bytes, written);
        if (count <= 0) throw new Error("nothing was written");
        written += count;
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

  /** Some file systems tell only now that what was written found no room. */
  #closeNow(fd: number): void {
    try {
      this.#files.close(fd);
    } catch (error) {
      throw this.#ioError(error);
    }
  }

  #removeEmpty(fd: number): void {
    try {
      const mine = this.#files.facts(fd);
      const there = this.#files.linkFactsAt(this.path);
      if (mine.size === 0 && mine.dev === there.dev && mine.ino === there.ino) this.#files.unlink(this.path);
    } catch (error) {
      if (!isMissing(error)) throw this.#ioError(error);
    }
  }

  #refusal(why: string): ExitError {
    return new ExitError(ExitCode.cannotCreate, `cannot log to ${this.path}: ${why}`);
  }

  #creationError(error: unknown, exitCode: ExitCodeValue): ExitError {
    return new ExitError(exitCode, `cannot create ${this.path}: ${reasonOf(error)}`, { cause: error });
  }

  #ioError(error: unknown): ExitError {
    return new ExitError(ExitCode.ioError, `cannot write to ${this.path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
