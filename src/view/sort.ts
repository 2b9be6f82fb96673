/** Puts connections in the order the user asked for. */
import type { Connection } from "../model/connection.ts";
import { type CellKind, type Column, compareCells } from "./columns.ts";

export interface SortOrder {
  /** null: the order of first sight. */
  readonly column: Column | null;
  /** Turns the natural direction round: quantities sort largest first, names and ids smallest first. */
  readonly reverse: boolean;
}

const SMALLEST_FIRST: ReadonlySet<CellKind> = new Set(["text", "id", "flag"]);

/** A sorted copy. Equal rows keep their order, unknown values stay at the end in both directions. */
export function sortConnections(
  connections: readonly Connection[],
  { column, reverse }: SortOrder,
  nowNs: number,
): readonly Connection[] {
  if (column === null) return reverse ? connections.toReversed() : connections;
  const sign = SMALLEST_FIRST.has(column.kind) === reverse ? -1 : 1;
  return connections
    .map((connection) => ({ connection, cell: column.value(connection, nowNs) }))
    .sort((a, b) => (a.cell === null || b.cell === null ? 1 : sign) * compareCells(a.cell, b.cell))
    .map(({ connection }) => connection);
}
