/** Files that tcptop writes to: found without being led elsewhere, and held under a lock. */
import { constants } from "node:fs";
import { dirname } from "node:path";
import { ExitCode, type ExitCodeValue, ExitError, reasonOf } from "./errors.ts";

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

/** The calls that are made of the system, as `node:fs` has them; tests let them fail. */
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
  rename(from: string, to: string): void;
  unlink(path: string): void;
  close(fd: number): void;
  /** False when another process has locked the file to write to it. */
  lock(fd: number): boolean;
  /** null on systems without user ids. */
  readonly userId: number | null;
}

/** Which file it is, whatever its name. */
export type FileId = Pick<FileFacts, "dev" | "ino">;

/** A file that this process writes to for another purpose. */
export interface FileInUse extends FileId {
  /** As a message calls it. */
  readonly name: string;
}

/** A file that is open and locked. */
export interface OpenFile {
  readonly fd: number;
  /** Its path without symbolic links. */
  readonly place: string;
  /** It was not there before. */
  readonly isNew: boolean;
}

/** What a file is written for, in messages. */
export interface Purpose {
  /** Such as `log`. */
  readonly verb: string;
  /** What to do where only a regular file will do; may be empty. */
  readonly hint: string;
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

const NEW = constants.O_CREAT | constants.O_EXCL;

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/** More files of one day than anybody sets aside. */
const MAX_ASIDE = 1000;

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

function isSame(a: FileId, b: FileId): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/**
 * A path that is written to. Its methods throw ExitError: 64 for the file of another purpose, 73 for one that must
 * not be written to or cannot be made, 74 where that fails on a file that is there.
 */
export class OutputFile {
  readonly path: string;
  readonly #files: Files;
  readonly #purpose: Purpose;
  readonly #inUse: readonly FileInUse[];

  constructor(files: Files, path: string, purpose: Purpose, inUse: readonly FileInUse[]) {
    this.#files = files;
    this.path = path;
    this.#purpose = purpose;
    this.#inUse = inUse;
  }

  /** Opens and locks what is at the path, a new file if there is nothing; `cannotCreate` is the code if that fails. */
  open(takesExisting: boolean, cannotCreate: ExitCodeValue = ExitCode.cannotCreate): OpenFile {
    const entry = this.#entry(cannotCreate);
    return entry === null ? this.create(this.path, cannotCreate) : this.#openEntry(entry, takesExisting);
  }

  /** Makes and locks a file that is not there. */
  create(place: string, cannotCreate: ExitCodeValue): OpenFile {
    let fd: number;
    try {
      fd = this.#files.open(place, FLAGS | NEW, MODE);
    } catch (error) {
      throw this.#creationError(error, cannotCreate);
    }
    return this.#checked({ fd, place, isNew: true }, () => {});
  }

  /**
   * Gives a file another name in its directory, with the date, and never that of a file that is there. Returns its
   * new path; null where its place is another file's meanwhile.
   */
  setAside({ fd, place }: OpenFile, date: string): string | null {
    const files = this.#files;
    try {
      if (!isSame(files.facts(fd), files.linkFactsAt(place))) return null;
      const to = this.#reserve(`${place}.${date}`);
      try {
        files.rename(place, to);
      } catch (error) {
        files.unlink(to);
        throw error;
      }
      return to;
    } catch (error) {
      if (isMissing(error)) return null;
      const message = `cannot set ${this.path} aside, which an older tcptop wrote: ${reasonOf(error)}`;
      throw new ExitError(ExitCode.ioError, message, { cause: error });
    }
  }

  /** Removes a file that was made and never written to, but nothing in its place. */
  removeEmpty({ fd, place }: OpenFile): void {
    try {
      const mine = this.#files.facts(fd);
      if (mine.size === 0 && isSame(mine, this.#files.linkFactsAt(place))) this.#files.unlink(place);
    } catch (error) {
      if (!isMissing(error)) throw this.ioError(error);
    }
  }

  refusal(why: string, exitCode: ExitCodeValue = ExitCode.cannotCreate): ExitError {
    return new ExitError(exitCode, `cannot ${this.#purpose.verb} to ${this.path}: ${why}`);
  }

  ioError(error: unknown): ExitError {
    return new ExitError(ExitCode.ioError, `cannot write to ${this.path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }

  /** An empty file of a name that was free, for a rename to replace. */
  #reserve(wanted: string): string {
    for (let number = 1; ; number++) {
      const path = number === 1 ? wanted : `${wanted}.${number}`;
      try {
        this.#files.close(this.#files.open(path, FLAGS | NEW, MODE));
        return path;
      } catch (error) {
        if (codeOf(error) !== "EEXIST" || number === MAX_ASIDE) throw error;
      }
    }
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

  #openEntry(entry: FileFacts, takesExisting: boolean): OpenFile {
    this.#refusePlanted(entry, this.path);
    let fd: number;
    let place: string;
    try {
      place = this.#files.realPath(this.path);
      // Before it is opened, too: opening a device may do something.
      this.#refuseUnlessFile(this.#files.factsAt(place));
      this.#refuseInUse(this.#files.factsAt(place));
      if (!takesExisting) throw this.refusal("it exists; --overwrite replaces it");
      fd = this.#files.open(place, FLAGS);
    } catch (error) {
      if (isMissing(error) && entry.isSymbolicLink()) {
        throw this.refusal("it is a symbolic link to a file that does not exist");
      }
      throw error instanceof ExitError ? error : this.ioError(error);
    }
    return this.#checked({ fd, place, isNew: false }, (facts) => {
      this.#refuseUnlessFile(facts);
      this.#refuseInUse(facts);
      this.#refusePlanted(facts, place);
    });
  }

  /** The file, checked by what it is now that it is open, and locked; else it is closed. */
  #checked(file: OpenFile, check: (facts: FileFacts) => void): OpenFile {
    try {
      check(this.#files.facts(file.fd));
      if (!this.#files.lock(file.fd)) throw this.refusal("another tcptop writes to it");
      return file;
    } catch (error) {
      this.#files.close(file.fd);
      throw error instanceof ExitError ? error : this.ioError(error);
    }
  }

  #refuseUnlessFile(facts: FileFacts): void {
    if (facts.isDirectory()) throw this.refusal("it is a directory");
    if (!facts.isFile()) throw this.refusal(`it is not a regular file${this.#purpose.hint}`);
  }

  #refuseInUse(facts: FileFacts): void {
    const other = this.#inUse.find((used) => isSame(used, facts));
    if (other !== undefined) throw this.refusal(`it is the file of ${other.name}, too`, ExitCode.usage);
  }

  /**
   * Where everybody may put files, one that belongs to neither this user nor the directory's owner may be a
   * trap for what is written or for another file, and so may be one with a second name: what Linux refuses by
   * fs.protected_symlinks, fs.protected_regular and fs.protected_hardlinks, here whatever they are set to.
   */
  #refusePlanted(facts: FileFacts, place: string): void {
    const { userId } = this.#files;
    if (userId === null) return;
    const folder = this.#files.factsAt(dirname(place));
    if ((folder.mode & STICKY) === 0 || (folder.mode & WRITABLE_BY_OTHERS) === 0) return;
    const { uid } = facts;
    if (uid !== userId && uid !== folder.uid) {
      throw this.refusal(`it belongs to user ${uid}, in a directory where others may put files`);
    }
    if (facts.isFile() && facts.nlink > 1) {
      throw this.refusal("it has another name, too, in a directory where others may put files");
    }
  }

  #creationError(error: unknown, exitCode: ExitCodeValue): ExitError {
    return new ExitError(exitCode, `cannot create ${this.path}: ${reasonOf(error)}`, { cause: error });
  }
}
