/** The table: which columns find room, their headings, and its rows. */
import { clip, displayWidth, shorten } from "../base/width.ts";
import { type Line, LineWriter } from "../core/cells.ts";
import { sortsSmallestFirst } from "../core/sort.ts";
import type { Scale, TableColumn, View } from "../core/view.ts";
import type { Entry } from "./entries.ts";
import type { Listing } from "./listing.ts";
import { orderOf, type UiState, viewOf } from "./state.ts";

export interface PlacedColumn {
  readonly column: TableColumn<object>;
  readonly x: number;
  readonly cells: number;
}

/** Cells of the mark in front of each row. */
const MARK_CELLS = 2;

/** Cells of each column: those it needs, and of what is left each takes one in turn until it has its best. */
function shareCells(columns: readonly TableColumn<object>[], cells: number): number[] {
  const widths = columns.map(({ least }) => least);
  let spare = cells - leastCells(columns);
  for (let grew = true; grew && spare > 0; ) {
    grew = false;
    for (const [i, { best, least }] of columns.entries()) {
      const width = widths[i] ?? least;
      if (spare === 0 || width >= best) continue;
      widths[i] = width + 1;
      spare--;
      grew = true;
    }
  }
  return widths;
}

/** The columns that find room in so many cells. */
export function placeColumns({ list }: Listing, state: UiState, columns: number): PlacedColumn[] {
  const view = viewOf(state);
  const kept = keepWhatFits(view.columns(list, state), columns - MARK_CELLS);
  const widths = shareCells(kept, columns - MARK_CELLS);
  const { filler } = view;
  const spare = columns - MARK_CELLS - widths.reduce((sum, cells) => sum + cells + 1, 0);
  if (filler !== undefined && spare >= filler.least) {
    kept.push(filler);
    widths.push(Math.min(spare, filler.best));
  }
  let x = MARK_CELLS;
  return kept.map((column, i) => {
    const placed = { x, cells: widths[i] ?? column.least, column: view.standIn?.(column, kept) ?? column };
    x += placed.cells + 1;
    return placed;
  });
}

function leastCells(columns: readonly TableColumn<object>[]): number {
  return columns.reduce((sum, { least }) => sum + least + 1, -1);
}

function keepWhatFits(columns: readonly TableColumn<object>[], cells: number): TableColumn<object>[] {
  let kept = [...columns];
  while (kept.length > 1 && leastCells(kept) > cells) {
    const lowest = kept.reduce((a, b) => (b.rank <= a.rank ? b : a));
    kept = kept.filter((column) => column !== lowest);
  }
  return kept;
}

/** Whether the order goes from large to small. */
export function isDescending(state: UiState): boolean {
  const { key, reverse } = orderOf(state);
  const column = viewOf(state).sortColumn(key);
  return (column !== null && sortsSmallestFirst(column.kind)) === reverse;
}

export function arrow(state: UiState): string {
  return isDescending(state) ? "▼" : "▲";
}

export function headingLine(placed: readonly PlacedColumn[], state: UiState, columns: number): Line {
  const line = new LineWriter(columns);
  const { key } = orderOf(state);
  const sorted = [key, ...(viewOf(state).sortColumn(key)?.parts ?? [])];
  for (const { column, x, cells } of placed) {
    const isSorted = column.sortKey !== null && sorted.includes(column.sortKey);
    const title = isSorted ? clip(column.title, cells - 1) + arrow(state) : column.title;
    const tone = state.picked === column.id ? "picked" : isSorted ? "sorted" : "heading";
    const gap = column.align === "right" ? Math.max(0, cells - displayWidth(title)) : 0;
    line.to(x + gap).add(shorten(title, cells), tone);
  }
  return line.done();
}

/** A row: closing ones are quiet all over, new ones say so with their mark and their name. */
export function entryLine(
  entry: Entry,
  placed: readonly PlacedColumn[],
  scale: Scale,
  look: { readonly view: View; readonly columns: number; readonly isSelected: boolean },
): Line {
  const line = new LineWriter(look.columns);
  const mark = look.view.markOf(entry.row, entry.isUnfolded);
  line.add(mark.text, mark.tone);
  for (const { column, x, cells } of placed) {
    const { text: whole, tone } = column.show(entry.row, scale, cells);
    const shown = shorten(whole, cells);
    const gap = column.align === "right" ? cells - displayWidth(shown) : 0;
    line
      .to(x + gap)
      .add(shown, mark.text === "-" ? "quiet" : mark.tone === "good" && tone === "plain" ? "good" : tone);
  }
  return line.done(look.isSelected);
}
