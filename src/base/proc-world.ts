/** Reads of /proc, as functions. Tests pass a tree of their own. */
import { Buffer } from "node:buffer";
import { closeSync, opendirSync, openSync, readlinkSync, readSync } from "node:fs";

/**
 * Paths are relative to /proc. Every function throws as node:fs does. The results are lazy, so
 * that a reader can pause between two of them.
 */
export interface ProcWorld {
  /** A file from start to end, in pieces; each one is overwritten by the next. */
  readChunks(path: string): Iterable<Uint8Array>;
  /** The names in a directory. */
  list(path: string): Iterable<string>;
  readLink(path: string): string;
}

/** The kernel hands out a page at a time, whatever is asked for. */
const CHUNK_BYTES = 16_384;

/** Directory entries that are fetched at once. */
const LIST_BATCH = 512;

/** The proc file system at `root`. */
export function procWorld(root = "/proc"): ProcWorld {
  return {
    *readChunks(path) {
      const file = openSync(`${root}/${path}`, "r");
      try {
        const chunk = new Uint8Array(CHUNK_BYTES);
        for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
          yield chunk.subarray(0, length);
        }
      } finally {
        closeSync(file);
      }
    },

    *list(path) {
      const directory = opendirSync(`${root}/${path}`, { bufferSize: LIST_BATCH });
      try {
        for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry.name;
      } finally {
        directory.closeSync();
      }
    },

    readLink: (path) => readlinkSync(`${root}/${path}`),
  };
}

/** Codes of errors about a process that has just ended or may not be read. */
const VANISHED = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM", "ENOTDIR", "EINVAL"]);

/** Whether an error only means that the process has ended or may not be read. */
export function isVanished(error: unknown): boolean {
  return error instanceof Error && "code" in error && VANISHED.has(String(error.code));
}

/** Whether the kernel refused: nothing to read, or no memory, no descriptors, a broken file system. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^E[0-9A-Z]+$/.test(String(error.code));
}

/** The result of `read`, null if it cannot be read. */
export function readIfPresent<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** The most bytes read of a file that a process may fill: more than any screen shows. */
const HEAD_BYTES = 4096;

/** The beginning of a file, null if it is gone. */
export function readHead(world: ProcWorld, path: string): Buffer | null {
  return readIfPresent(() => {
    const chunks: Buffer[] = [];
    let length = 0;
    for (const chunk of world.readChunks(path)) {
      length += chunk.length;
      chunks.push(Buffer.from(chunk));
      if (length >= HEAD_BYTES) break;
    }
    return Buffer.concat(chunks).subarray(0, HEAD_BYTES);
  });
}

/** The names in a directory, up to where it cannot be read. */
export function* listIfPresent(world: ProcWorld, path: string): Iterable<string> {
  try {
    yield* world.list(path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** The numbers of all processes, ascending. */
export function listPids(world: ProcWorld): number[] {
  return [...listIfPresent(world, "")]
    .filter((name) => /^[1-9][0-9]{0,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
