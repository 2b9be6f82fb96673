/** Files that tcptop writes to: opened without following planted links, and locked. */
import { constants } from "node:fs";
import { ExitCode, type ExitCodeValue, ExitError, reasonOf } from "./errors.ts";
import { atDestination, type Destination, UntrustedLink } from "./safe-path.ts";

/** Facts of stat(2). `uid` is 0 on systems without user ids. */
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

/** System calls, as in `node:fs`. Tests make them fail. */
export interface Files {
  open(path: string, flags: number, mode?: number): number;
  facts(fd: number): FileFacts;
  factsAt(path: string): FileFacts;
  /** Of a symbolic link itself. */
  linkFactsAt(path: string): FileFacts;
  linkTarget(path: string): string;
  /** A descriptor that stands for a directory, not for a link to one; null where no path leads through such. */
  openFolder(path: string): number | null;
  workingFolder(): string;
  read(fd: number, to: Uint8Array, position: number): number;
  write(fd: number, bytes: Uint8Array, from: number): number;
  truncate(fd: number, bytes: number): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  close(fd: number): void;
  /** False when another process has locked the file to write to it. */
  lock(fd: number): boolean;
  /** Absent: this process opens its files itself. */
  readonly keeper?: OutputKeeper | null;
  /** null on systems without user ids. */
  readonly userId: number | null;
  /** Who called sudo; null: nobody. */
  readonly invokerId: number | null;
}

/** Opens files again once this process may not; each is known by its folder and name. Throws as `node:fs` does. */
export interface OutputKeeper {
  /** Before privileges are given up. `owner`: who may have the file, besides root. Returns the file's number. */
  keep(folder: number, name: string, owner: number): number;
  /** Opens the file, or makes it where it is not there or must not be. */
  open(output: number, mustBeNew: boolean): { readonly fd: number; readonly isNew: boolean };
  /** Removes the file's name, if it is still this file's and nobody wrote to it. */
  drop(output: number, fd: number): void;
  /** Appends to the file's name, if that is still this file's. */
  move(output: number, fd: number, suffix: string): void;
}

/** The identity of a file under any name. */
export type FileId = Pick<FileFacts, "dev" | "ino">;

/** A file that this process writes to for another purpose. */
export interface FileInUse extends FileId {
  /** Its name in messages. */
  readonly name: string;
}

/** A file that is open and locked. */
export interface OpenFile {
  readonly fd: number;
  /** Its path without symbolic links. */
  readonly place: string;
  /** Whether opening made the file. */
  readonly isNew: boolean;
}

/** A file that was named to who opens it later. */
interface Kept {
  readonly keeper: OutputKeeper;
  readonly output: number;
  readonly place: string;
}

/** The purpose of a file, for messages. */
export interface Purpose {
  /** Such as `log`. */
  readonly verb: string;
  /** Advice for a path that is not a regular file; may be empty. */
  readonly hint: string;
}

/** Mode of new files, less the umask: who talks to whom is private. */
const MODE = 0o640;

/** Opening must not wait for a pipe's reader, take over a terminal or follow a link put there meanwhile. */
const FLAGS =
  constants.O_RDWR |
  constants.O_APPEND |
  (constants.O_NONBLOCK ?? 0) |
  (constants.O_NOCTTY ?? 0) |
  (constants.O_NOFOLLOW ?? 0);

const NEW = constants.O_CREAT | constants.O_EXCL;

/** More files of one day than anybody sets aside. */
const MAX_ASIDE = 1000;

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

function suffixOf(date: string, number: number): string {
  return number === 1 ? `.${date}` : `.${date}.${number}`;
}

function isSame(a: FileId, b: FileId): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/**
 * A path that tcptop writes to. Methods throw ExitError: 64 for a file that is in use for another purpose, 73 for a
 * file that must not be written to or cannot be made, 74 for a system error on a file that exists.
 */
export class OutputFile {
  readonly path: string;
  readonly #files: Files;
  readonly #purpose: Purpose;
  readonly #inUse: readonly FileInUse[];
  /** Whom the file was named to once it was open; null: nobody. */
  #kept: Kept | null = null;

  constructor(files: Files, path: string, purpose: Purpose, inUse: readonly FileInUse[]) {
    this.#files = files;
    this.path = path;
    this.#purpose = purpose;
    this.#inUse = inUse;
  }

  /** Opens and locks the file at the path, or a new one. `cannotCreate`: exit code when none can be made. */
  open(takesExisting: boolean, cannotCreate: ExitCodeValue = ExitCode.cannotCreate): OpenFile {
    const kept = this.#openKept(false, cannotCreate);
    if (kept !== null) return kept;
    return this.#at(this.path, cannotCreate, (to) => {
      if (to.facts === null && to.isLinked) {
        throw this.refusal("it is a symbolic link to a file that does not exist");
      }
      const file =
        to.facts === null ? this.#make(to, cannotCreate) : this.#openThere(to, to.facts, takesExisting);
      this.#keep(to);
      return file;
    });
  }

  /** Makes and locks a file that is not there. */
  create(place: string, cannotCreate: ExitCodeValue): OpenFile {
    const kept = this.#openKept(true, cannotCreate);
    if (kept !== null) return kept;
    return this.#at(place, cannotCreate, (to) => this.#make(to, cannotCreate));
  }

  /**
   * Renames a file to a free name with the date, in its directory, which is held open meanwhile. Returns the new path;
   * null when another file has taken its place.
   */
  setAside({ fd, place }: OpenFile, date: string): string | null {
    try {
      const suffix = this.#moveKept(fd, date);
      if (suffix !== null) return place + suffix;
      return atDestination(this.#files, place, (to) => this.#setAsideThere(fd, to, date));
    } catch (error) {
      if (error instanceof ExitError) throw error;
      if (error instanceof UntrustedLink) throw this.refusal(error.message);
      if (isMissing(error) || codeOf(error) === "ESTALE") return null;
      const message = `cannot rename ${this.path}, the log of an older tcptop: ${reasonOf(error)}`;
      throw new ExitError(ExitCode.ioError, message, { cause: error });
    }
  }

  /** Removes a file that was made and never written to. Leaves another file in its place alone. */
  removeEmpty({ fd, place }: OpenFile): void {
    try {
      if (this.#byKeeper(({ keeper, output }) => keeper.drop(output, fd)) !== null) return;
      atDestination(this.#files, place, ({ reach, facts }) => {
        const mine = this.#files.facts(fd);
        if (mine.size === 0 && facts !== null && isSame(mine, facts)) this.#files.unlink(reach);
      });
    } catch (error) {
      if (!isMissing(error) && !(error instanceof UntrustedLink)) throw this.ioError(error);
    }
  }

  /** Names the file to who opens it later. */
  #keep({ place, folder }: Destination): void {
    const { keeper = null } = this.#files;
    if (keeper === null || folder === null || this.#kept !== null) return;
    const slash = place.lastIndexOf("/");
    const output = keeper.keep(folder, place.slice(slash + 1), this.#files.invokerId ?? 0);
    this.#kept = { keeper, output, place };
  }

  /**
   * Has the keeper do it, in an array; null where there is none, and where it refuses a file: looking at the file then
   * says why.
   */
  #byKeeper<T>(act: (kept: Kept) => T): [T] | null {
    if (this.#kept === null) return null;
    try {
      return [act(this.#kept)];
    } catch (error) {
      if (["EACCES", "EPERM", "EINVAL"].includes(String(codeOf(error)))) return null;
      throw error;
    }
  }

  #openKept(mustBeNew: boolean, cannotCreate: ExitCodeValue): OpenFile | null {
    try {
      const opened = this.#byKeeper((kept) => ({
        ...kept.keeper.open(kept.output, mustBeNew),
        place: kept.place,
      }));
      if (opened === null) return null;
      return this.#checked(opened[0], (facts) => {
        this.#refuseUnlessFile(facts);
        this.#refuseInUse(facts);
      });
    } catch (error) {
      if (error instanceof ExitError) throw error;
      const isCreation = error instanceof Error && "syscall" in error && error.syscall === "create";
      throw isCreation ? this.#creationError(error, cannotCreate) : this.ioError(error);
    }
  }

  /** What was appended to the name; null where this process has to do it. */
  #moveKept(fd: number, date: string): string | null {
    for (let number = 1; ; number++) {
      const suffix = suffixOf(date, number);
      try {
        return this.#byKeeper(({ keeper, output }) => keeper.move(output, fd, suffix)) === null
          ? null
          : suffix;
      } catch (error) {
        if (codeOf(error) !== "EEXIST" || number === MAX_ASIDE) throw error;
      }
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

  #setAsideThere(fd: number, { place, reach, facts }: Destination, date: string): string | null {
    const files = this.#files;
    const mine = files.facts(fd);
    if (facts === null || !isSame(mine, facts)) return null;
    const suffix = this.#reserve(reach, date);
    try {
      files.rename(reach, reach + suffix);
    } catch (error) {
      files.unlink(reach + suffix);
      throw error;
    }
    const to = place + suffix;
    if (isSame(mine, files.linkFactsAt(reach + suffix))) return to;
    throw this.refusal(`another program replaced it, and what it put there is now ${to}`);
  }

  /** Makes an empty file for a rename to replace. Returns what its name has behind that of `reach`. */
  #reserve(reach: string, date: string): string {
    for (let number = 1; ; number++) {
      const suffix = suffixOf(date, number);
      try {
        this.#files.close(this.#files.open(reach + suffix, FLAGS | NEW, MODE));
        return suffix;
      } catch (error) {
        if (codeOf(error) !== "EEXIST" || number === MAX_ASIDE) throw error;
      }
    }
  }

  #at<T>(path: string, cannotCreate: ExitCodeValue, use: (to: Destination) => T): T {
    try {
      return atDestination(this.#files, path, use);
    } catch (error) {
      if (error instanceof ExitError) throw error;
      throw error instanceof UntrustedLink
        ? this.refusal(error.message)
        : this.#creationError(error, cannotCreate);
    }
  }

  #make({ place, reach }: Destination, cannotCreate: ExitCodeValue): OpenFile {
    let fd: number;
    try {
      fd = this.#files.open(reach, FLAGS | NEW, MODE);
    } catch (error) {
      throw this.#creationError(error, cannotCreate);
    }
    return this.#checked({ fd, place, isNew: true }, () => {});
  }

  #openThere({ place, reach, isShared }: Destination, seen: FileFacts, takesExisting: boolean): OpenFile {
    const check = (facts: FileFacts) => {
      this.#refuseUnlessFile(facts);
      this.#refuseInUse(facts);
      if (isShared) this.#refusePlanted(facts);
    };
    // Checked before opening as well: opening a device may have effects.
    check(seen);
    if (!takesExisting) throw this.refusal("it exists; --overwrite replaces it");
    let fd: number;
    try {
      fd = this.#files.open(reach, FLAGS);
    } catch (error) {
      throw this.ioError(error);
    }
    return this.#checked({ fd, place, isNew: false }, check);
  }

  /** Checks the open file and locks it. Closes the file when either fails. */
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
    if (other !== undefined) throw this.refusal(`it is also the file of ${other.name}`, ExitCode.usage);
  }

  /**
   * Where others may put files, refuses a file of another user than this one, root or who called sudo, and a file
   * with a second name: either may be a trap. Linux refuses some of that where fs.protected_regular and
   * fs.protected_hardlinks are set.
   */
  #refusePlanted({ uid, nlink }: FileFacts): void {
    const { userId, invokerId } = this.#files;
    if (![0, userId, invokerId].includes(uid)) {
      throw this.refusal(`it belongs to user ${uid}, in a directory where others may put files`);
    }
    if (nlink > 1) {
      throw this.refusal("it has a second name (a hard link), in a directory where others may put files");
    }
  }

  #creationError(error: unknown, exitCode: ExitCodeValue): ExitError {
    return new ExitError(exitCode, `cannot create ${this.path}: ${reasonOf(error)}`, { cause: error });
  }
}
