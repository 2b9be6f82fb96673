/** Rows by addresses and socket: several connections may have the same addresses at the same time. */
/** What tells sockets apart. */
export interface Socket {
  readonly tuple: string | null;
  readonly inode: number;
}

/**
 * Whether two descriptions with the same addresses may be of one socket. 0: the socket has no inode, before accept()
 * and after close(), or the inode is not known.
 */
function mayBeSame(inode: number, other: number): boolean {
  return inode === other || inode === 0 || other === 0;
}

/** The one of a socket among those with its addresses. */
export function findSocket<T extends Socket>(rows: readonly T[] | undefined, inode: number): T | undefined {
  if (rows === undefined) return undefined;
  return rows.find((row) => row.inode === inode) ?? rows.find((row) => mayBeSame(row.inode, inode));
}

/** Sockets by their addresses, of which several may be the same. */
export class ByTuple<T extends Socket> implements Iterable<T> {
  readonly #rows = new Map<string, T[]>();

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** Those whose addresses are not known are left out. */
  add(row: T): void {
    const { tuple } = row;
    if (tuple === null) return;
    const rows = this.#rows.get(tuple);
    if (rows === undefined) this.#rows.set(tuple, [row]);
    else rows.push(row);
  }

  get(tuple: string | null): readonly T[] | undefined {
    return tuple === null ? undefined : this.#rows.get(tuple);
  }

  delete(row: T): void {
    const { tuple } = row;
    const rest = this.get(tuple)?.filter((other) => other !== row);
    if (tuple === null || rest === undefined) return;
    if (rest.length === 0) this.#rows.delete(tuple);
    else this.#rows.set(tuple, rest);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const rows of this.#rows.values()) yield* rows;
  }
}
