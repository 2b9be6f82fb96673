/** A proc file system that is an object. */
import { Buffer } from "node:buffer";
import type { ProcWorld } from "../../src/base/proc-world.ts";

/** Paths to what they hold: a file's text or bytes, `{ link }`, or `{ error }` with the code to fail with. */
export type Tree = Record<
  string,
  string | Uint8Array | { readonly link: string } | { readonly error: string }
>;

const failure = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code });

/** /proc/PID/stat of a process that began at a tick. */
export function statOf(ticks: number | string, name = "x"): string {
  return `7 (${name}) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 ${ticks} 1000 20 18446744073709551615 1 1 0\n`;
}

export interface FakeProc extends ProcWorld {
  /** Every access so far, in order: `read`, `list` or `link`, and the path. */
  readonly log: string[];
}

/**
 * `onAccess` is called before each access and may change the tree. Files come in pieces of `chunkBytes`.
 */
export function fakeProc(
  tree: Tree,
  onAccess: (path: string) => void = () => {},
  chunkBytes = 100,
): FakeProc {
  const log: string[] = [];
  const enter = (kind: string, path: string) => {
    log.push(`${kind} ${path}`);
    onAccess(path);
    const node = tree[path];
    if (typeof node === "object" && "error" in node) throw failure(node.error, path);
    return node;
  };
  return {
    log,
    *readChunks(path) {
      const node = enter("read", path);
      if (node === undefined || (typeof node === "object" && "link" in node)) throw failure("ENOENT", path);
      const bytes = Buffer.from(node as string);
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        if (tree[path] === undefined) throw failure("ESRCH", path);
        yield bytes.subarray(at, at + chunkBytes);
      }
    },
    *list(path) {
      enter("list", path);
      const prefix = path === "" ? "" : `${path}/`;
      const inside = Object.keys(tree).filter((name) => name.startsWith(prefix));
      if (inside.length === 0) throw failure("ENOENT", path);
      yield* new Set(inside.map((name) => name.slice(prefix.length).split("/", 1)[0] ?? ""));
    },
    readLink(path) {
      const node = enter("link", path);
      if (node === undefined) throw failure("ENOENT", path);
      if (typeof node === "string" || !("link" in node)) throw failure("EINVAL", path);
      return node.link;
    },
  };
}
