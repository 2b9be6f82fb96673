/** What a column of a table is, and how its cells are shown and compared. */
import {
  formatBytes,
  formatMicros,
  formatMillis,
  formatRate,
  type NumberStyle,
  UNKNOWN,
} from "../base/format.ts";

/** null: unknown, or without meaning for this protocol. Strings are sanitised. */
export type Cell = string | number | boolean | null;

/** What a cell holds; decides how it is shown and in which direction it sorts first. */
export type CellKind = "text" | "id" | "count" | "bytes" | "rate" | "micros" | "millis" | "flag";

export interface Column<Row> {
  /** Name in JSON, the CSV header and `--sort`. */
  readonly key: string;
  /** Heading for people. */
  readonly title: string;
  readonly kind: CellKind;
  /** The version of its table that added it; absent: the first. */
  readonly since?: number;
  /** `nowNs`: CLOCK_MONOTONIC of the refresh. */
  value(row: Row, nowNs: number): Cell;
}

const SHOW: Readonly<Record<CellKind, (value: number, style: NumberStyle) => string>> = {
  text: String,
  id: String,
  flag: String,
  count: String,
  bytes: formatBytes,
  rate: formatRate,
  micros: formatMicros,
  millis: formatMillis,
};

/** A cell for people: numbers with their unit, yes or no, `-` for the unknown. */
export function showCell(kind: CellKind, cell: Cell, style: NumberStyle): string {
  if (cell === null) return UNKNOWN;
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return typeof cell === "number" ? SHOW[kind](cell, style) : cell;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Ascending, unknown last; text by its numbers (`eth2` before `eth10`), false before true. */
export function compareCells(a: Cell, b: Cell): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "string" || typeof b === "string") return collator.compare(String(a), String(b));
  return Number(a) - Number(b);
}
