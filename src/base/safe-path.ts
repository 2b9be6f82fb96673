/** Walks a path name by name, and follows only symbolic links that nobody else can have put there. */
import type { FileFacts, Files } from "./output-file.ts";

/** The kernel's bound for one path (path_resolution(7)). */
const MAX_LINKS = 40;

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

interface Folder {
  readonly path: string;
  /** null where directories are reached by their paths. */
  readonly fd: number | null;
  /** Nobody else can put another directory in its place. */
  readonly isSteady: boolean;
  /** Others may put files into it, or put another directory in its place. */
  readonly isShared: boolean;
  readonly isSticky: boolean;
  /** This user's or root's. */
  readonly isOwn: boolean;
}

/** Where a path leads. */
export interface Destination {
  /** Its path without symbolic links. */
  readonly place: string;
  /** The same for system calls: it stays in the directory that was checked, whatever is renamed meanwhile. */
  readonly reach: string;
  /** Its directory, open while the destination is used; null where directories are reached by their paths. */
  readonly folder: number | null;
  /** null: nothing is there. */
  readonly facts: FileFacts | null;
  /** Whether the path itself is a symbolic link. */
  readonly isLinked: boolean;
  /** Whether others may put files into its directory, or put another directory in that one's place. */
  readonly isShared: boolean;
}

/** A symbolic link that is not followed. */
export class UntrustedLink extends Error {}

function namesOf(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return path.endsWith("/") ? [...names, "."] : names;
}

class Walk {
  readonly #files: Files;
  readonly #folders: Folder[] = [];

  constructor(files: Files) {
    this.#files = files;
  }

  to(path: string): Destination {
    const ahead = namesOf(path.startsWith("/") ? path : `${this.#files.workingFolder()}/${path}`);
    let links = 0;
    let isLinked = false;
    this.#enter("/", "/");
    for (;;) {
      const name = ahead.shift() ?? ".";
      const isLast = ahead.length === 0;
      if (!isLast && name === ".") continue;
      if (!isLast && name === "..") {
        this.#leave();
        continue;
      }
      const { place, reach } = this.#at(name);
      const facts = isLast ? this.#factsIfThere(reach) : this.#files.linkFactsAt(reach);
      if (facts?.isSymbolicLink()) {
        this.#refuseUntrusted(facts, place);
        if (++links > MAX_LINKS) throw new Error("too many symbolic links");
        const target = this.#files.linkTarget(reach);
        ahead.unshift(...namesOf(target));
        isLinked ||= isLast;
        if (target.startsWith("/")) while (this.#folders.length > 1) this.#leave();
      } else if (isLast) {
        const { fd: folder, isShared } = this.#here;
        return { place, reach, folder, facts, isLinked, isShared };
      } else {
        this.#enter(place, reach, facts);
      }
    }
  }

  close(): void {
    for (const { fd } of this.#folders.splice(0)) if (fd !== null) this.#files.close(fd);
  }

  get #here(): Folder {
    const here = this.#folders.at(-1);
    if (here === undefined) throw new Error("a walk has not begun");
    return here;
  }

  #at(name: string): { place: string; reach: string } {
    const { path, fd } = this.#here;
    const place = path === "/" ? `/${name}` : `${path}/${name}`;
    return { place, reach: fd === null ? place : `/proc/self/fd/${fd}/${name}` };
  }

  #factsIfThere(reach: string): FileFacts | null {
    try {
      return this.#files.linkFactsAt(reach);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
      throw error;
    }
  }

  /** Facts of an open directory are those of what was opened, not of what was looked at. */
  #enter(path: string, reach: string, seen?: FileFacts | null): void {
    const fd = this.#files.openFolder(reach);
    try {
      const facts =
        fd === null ? (seen ?? this.#files.factsAt(reach)) : this.#files.factsAt(`/proc/self/fd/${fd}`);
      const isSteady = this.#folders.length === 0 || this.#isSteady(facts);
      const isOwn = this.#isOwn(facts);
      const isShared = !(isSteady && isOwn && !this.#isWritable(facts));
      this.#folders.push({ path, fd, isSteady, isShared, isOwn, isSticky: (facts.mode & STICKY) !== 0 });
    } catch (error) {
      if (fd !== null) this.#files.close(fd);
      throw error;
    }
  }

  #isWritable({ mode }: FileFacts): boolean {
    return this.#files.userId !== null && (mode & WRITABLE_BY_OTHERS) !== 0;
  }

  /** Back to the directory above, which for the root is itself. */
  #leave(): void {
    if (this.#folders.length === 1) return;
    const fd = this.#folders.pop()?.fd ?? null;
    if (fd !== null) this.#files.close(fd);
  }

  /** Whether this user's or root's; everything is on systems without user ids. */
  #isOwn({ uid }: FileFacts): boolean {
    const { userId } = this.#files;
    return userId === null || uid === userId || uid === 0;
  }

  /** Whether nobody else can replace this in the present directory: in a sticky one only its owners can. */
  #isSteady(facts: FileFacts): boolean {
    const { isShared, isSteady, isOwn, isSticky } = this.#here;
    return !isShared || (isSteady && isOwn && isSticky && this.#isOwn(facts));
  }

  #refuseUntrusted(facts: FileFacts, place: string): void {
    if (!this.#isOwn(facts))
      throw new UntrustedLink(`the symbolic link ${place} belongs to user ${facts.uid}`);
    if (!this.#isSteady(facts)) {
      throw new UntrustedLink(`the symbolic link ${place} is in a directory where others may put files`);
    }
  }
}

/**
 * Finds where a path leads, and passes it to `use` while the directories on the way are held open. Throws
 * UntrustedLink, and the errors of the system and of `use`.
 */
export function atDestination<T>(files: Files, path: string, use: (to: Destination) => T): T {
  const walk = new Walk(files);
  try {
    return use(walk.to(path));
  } finally {
    walk.close();
  }
}
