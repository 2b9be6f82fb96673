/** Puts connections in the order the user asked for. */
import type { Connection } from "../model/connection.ts";
import { type Cell, type CellKind, type Column, compareCells } from "./columns.ts";

export interface SortOrder {
  /** null: the order of first sight. */
  readonly column: Column | null;
  /** Turns the natural direction round: quantities sort largest first, names and ids smallest first. */
  readonly reverse: boolean;
}

const SMALLEST_FIRST: ReadonlySet<CellKind> = new Set(["text", "id", "flag"]);

const PARTS = { dot: 0x2e, colon: 0x3a, zero: 0x30, nine: 0x39 } as const;

/** An IPv4 address or endpoint as a number that sorts as `compareCells` does, only faster; else NaN. */
function ipv4Key(text: string): number {
  let key = 0;
  let part = 0;
  let dots = 0;
  let hasPort = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= PARTS.zero && code <= PARTS.nine) {
      part = part * 10 + code - PARTS.zero;
      continue;
    }
    if (code === PARTS.dot && dots < 3) dots++;
    else if (code === PARTS.colon && dots === 3 && !hasPort) hasPort = true;
    else return Number.NaN;
    key = key * 256 + part;
    part = 0;
  }
  if (dots !== 3) return Number.NaN;
  return hasPort ? key * 65_536 + part : (key * 256 + part) * 65_536;
}

/** The place of each text among all; texts that sort as equal share one. */
function rank(texts: readonly string[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  let place = 0;
  let before: string | null = null;
  for (const text of [...new Set(texts)].sort(compareCells)) {
    if (before !== null && compareCells(before, text) !== 0) place++;
    ranks.set(text, place);
    before = text;
  }
  return ranks;
}

/** Numbers that sort as the texts do. Endpoints are many and distinct: IPv4 is compared as numbers, after IPv6. */
function textKeys(texts: readonly string[]): (text: string) => number {
  const others = texts.filter((text) => Number.isNaN(ipv4Key(text)));
  const areEndpoints = others.every((text) => text.startsWith("["));
  const ranks = rank(areEndpoints ? others : texts);
  if (!areEndpoints) return (text) => ranks.get(text) ?? 0;
  return (text) => {
    const key = ipv4Key(text);
    return Number.isNaN(key) ? (ranks.get(text) ?? 0) - ranks.size : key;
  };
}

/** Whether a kind of column sorts smallest first unless reversed. */
export function sortsSmallestFirst(kind: CellKind): boolean {
  return SMALLEST_FIRST.has(kind);
}

/**
 * A copy sorted by one cell of each row. Equal rows keep their order, unknown values stay at the end in
 * both directions. However many rows there are, what gets compared is numbers.
 */
export function sortRows<T>(
  rows: readonly T[],
  read: (row: T) => Cell,
  { smallestFirst }: { readonly smallestFirst: boolean },
): T[] {
  const cells = rows.map(read);
  const keyOf = textKeys(cells.filter((cell) => typeof cell === "string"));
  const sign = smallestFirst ? 1 : -1;
  const keys = Float64Array.from(cells, (cell) => {
    if (cell === null) return Number.POSITIVE_INFINITY;
    return sign * (typeof cell === "string" ? keyOf(cell) : Number(cell));
  });
  const order = Uint32Array.from(keys, (_, i) => i);
  order.sort((a, b) => {
    const x = keys[a] ?? 0;
    const y = keys[b] ?? 0;
    return x < y ? -1 : x > y ? 1 : a - b;
  });
  return Array.from(order, (i) => rows[i]).filter((row) => row !== undefined);
}

/** Connections sorted as the user asked for, see `sortRows`. */
export function sortConnections(
  connections: readonly Connection[],
  { column, reverse }: SortOrder,
  nowNs: number,
): readonly Connection[] {
  if (column === null) return reverse ? connections.toReversed() : connections;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(connections, (connection) => column.value(connection, nowNs), { smallestFirst });
}
