/** Figures that a lens keeps from refresh to refresh for the screen. */
import type { NumberStyle } from "../base/format.ts";
import type { Line } from "./cells.ts";
import type { Refresh } from "./refresh.ts";

/** The filter of the screen, and what there is of one view. */
export interface Asked<Item extends object = object> {
  /** As typed; empty: everything. */
  readonly words: string;
  readonly refresh: Refresh;
  /** The items of the view that all filters let through. */
  readonly passing: readonly Item[];
}

/** What stands above the rows, and beside their count. */
export interface Header {
  /** For so many columns. */
  lines(style: NumberStyle, columns: number): readonly Line[];
  /** Behind the count of rows: what has none, in words; empty: nothing. */
  readonly remark: string;
}

/** Figures as they are asked for. */
export interface Reading<Item extends object = object, Past = unknown> {
  /** What is missing, in words; empty: nothing. */
  readonly losses: string;
  /** The last refreshes of an item. */
  pastOf(item: Item): Past;
  header(asked: Asked<Item>): Header;
}

export interface Figures<Item extends object = object, Past = unknown> extends Reading<Item, Past> {
  /** Takes in a refresh; work grows with the rows that changed. */
  record(refresh: Refresh): void;
  /** The figures as they are now, whatever is recorded later. */
  freeze(): Reading<Item, Past>;
}
