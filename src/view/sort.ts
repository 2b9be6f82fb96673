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

/** An IPv4 address, or an endpoint with one. */
const IPV4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?::(\d+))?$/;

/** An IPv4 endpoint as a number that sorts as `compareCells` does, only faster. */
function ipv4Key(text: string): number {
  const [, a, b, c, d, port] = IPV4.exec(text) ?? [];
  const address = ((Number(a) * 256 + Number(b)) * 256 + Number(c)) * 256 + Number(d);
  return address * 65_536 + Number(port ?? 0);
}

/** The place of each text among all: texts of the same place sort as equal. */
function rank(texts: ReadonlySet<string>): ReadonlyMap<string, number> {
  const sorted = [...texts]
    .map((text) => ({ text, key: ipv4Key(text) }))
    .sort((a, b) => (Number.isNaN(a.key - b.key) ? compareCells(a.text, b.text) : a.key - b.key));
  const ranks = new Map<string, number>();
  let place = -1;
  let before: string | null = null;
  for (const { text } of sorted) {
    if (before === null || compareCells(before, text) !== 0) place++;
    ranks.set(text, place);
    before = text;
  }
  return ranks;
}

/** Whether a kind of column sorts smallest first unless reversed. */
export function sortsSmallestFirst(kind: CellKind): boolean {
  return SMALLEST_FIRST.has(kind);
}

/**
 * A copy sorted by one cell of each row. Equal rows keep their order, unknown values stay at the end in
 * both directions. Texts are ranked first, so that however many rows there are, numbers get compared.
 */
export function sortRows<T>(
  rows: readonly T[],
  read: (row: T) => Cell,
  { smallestFirst }: { readonly smallestFirst: boolean },
): T[] {
  const cells = rows.map(read);
  const texts = new Set<string>();
  for (const cell of cells) if (typeof cell === "string") texts.add(cell);
  const ranks = rank(texts);
  const sign = smallestFirst ? 1 : -1;
  const keys = Float64Array.from(cells, (cell) => {
    if (cell === null) return Number.POSITIVE_INFINITY;
    return sign * (typeof cell === "string" ? (ranks.get(cell) ?? 0) : Number(cell));
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
