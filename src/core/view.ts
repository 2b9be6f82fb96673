/** What a view is: the rows of a table in their order, and the columns that tell of them. */
import type { NumberStyle } from "../base/format.ts";
import type { Line, Size } from "./cells.ts";
import type { CellKind } from "./column.ts";
import type { ProcessFacts, ProcessId } from "./process.ts";
import type { Refresh } from "./refresh.ts";
import type { Shown } from "./tone.ts";

/** Tells rows apart, through all refreshes. */
export type EntryId = number | string;

/** By the key of a column; `reverse` turns its natural direction round. */
export interface Order {
  readonly key: string;
  readonly reverse: boolean;
}

/** How the user wants the rows of a view. */
export interface ListWishes {
  readonly order: Order;
  /** Ids in the order they stay in; null: sorted anew at each refresh. */
  readonly frozen: readonly EntryId[] | null;
  /** Whether the rows under a row are shown. */
  isUnfolded(id: EntryId): boolean;
}

/** What the columns of traffic show. */
export type Numbers = "rates" | "totals";

/** How the user wants the columns of a view. */
export interface ColumnWishes {
  readonly isWide: boolean;
  readonly numbers: Numbers;
  readonly style: NumberStyle;
}

/** null: nothing is known of the process. */
export type DescribeProcess = (process: ProcessId) => ProcessFacts | null;

/** What cells are made with, besides their row. */
export interface Scale {
  readonly style: NumberStyle;
  /** CLOCK_MONOTONIC of the refresh. */
  readonly nowNs: number;
  readonly describe: DescribeProcess;
}

export interface TableColumn<Row> {
  readonly id: string;
  readonly title: string;
  readonly align: "left" | "right";
  /** Fewest cells it can be read in, and those it would like to have. */
  readonly least: number;
  readonly best: number;
  /** The column with the lowest rank gives way first. */
  readonly rank: number;
  /** Column by which a click sorts; null: none. */
  readonly sortKey: string | null;
  /** `cells`: how many it has; what does not fit is shortened in the middle. */
  show(row: Row, scale: Scale, cells: number): Shown;
}

export interface Listed<Row> {
  /** A row stands in front of those under it. */
  readonly rows: readonly Row[];
  /** Groups among the rows. */
  readonly groups: number;
}

/** What the details of an item are made with, besides the item. */
export interface DetailFacts<Past> {
  /** CLOCK_MONOTONIC of the refresh that is shown. */
  readonly nowNs: number;
  /** The item is not there any more. */
  readonly isGone: boolean;
  readonly past: Past;
  readonly describe: DescribeProcess;
  /** What is shown is a recording, which has no facts of processes. */
  readonly isReplay: boolean;
  readonly style: NumberStyle;
}

/** What rows are sorted by. */
export interface SortColumn {
  readonly kind: CellKind;
  readonly title: string;
  /** Sort keys of the columns whose headings show it too, where it is a sum of theirs. */
  readonly parts?: readonly string[];
}

/** What is called how, one and many. */
export type Words = readonly [one: string, many: string];

/**
 * A view of `Item`s; a row is an item, or a group of them. Rows may be a tree: each has a depth, and those under it can
 * be folded. `Past`: the last refreshes of an item.
 */
export interface View<
  Item extends object = object,
  Past = unknown,
  Row extends object = object,
  List extends Listed<Row> = Listed<Row>,
> {
  readonly id: string;
  /** On the page of keys. */
  readonly title: string;
  readonly itemWords: Words;
  /** null: there are no groups. */
  readonly groupWords: Words | null;
  /** Whether rows can be folded at all. */
  readonly folds: boolean;
  /** Whether rows are unfolded until the user folds them. */
  readonly opensUnfolded: boolean;
  /** Until the user asks for another. */
  readonly order: Order;
  /** Keys of the keyboard that sort, with the column that each sorts by. */
  sortKeys(numbers: Numbers): Readonly<Record<string, string>>;
  /** The key that takes the place of a sort key where the columns change to these numbers; mostly itself. */
  sortKeyFor(key: string, numbers: Numbers): string;
  /** All items of a refresh. */
  items(refresh: Refresh): readonly Item[];
  /** Those that the filter of the command line and that of the screen let through; `words`: as typed. */
  passing(items: readonly Item[], words: string): readonly Item[];
  list(items: readonly Item[], nowNs: number, wishes: ListWishes): List;
  columns(list: List, wishes: ColumnWishes): readonly TableColumn<Row>[];
  /** The column that gets the room which the others leave. */
  readonly filler?: TableColumn<Row>;
  /** A column that also says what those that found no room would have said. */
  standIn?(column: TableColumn<Row>, kept: readonly TableColumn<Row>[]): TableColumn<Row>;
  /** What rows are sorted by, by its key; null where there is no such column. */
  sortColumn(key: string): SortColumn | null;
  idOf(row: Row): EntryId;
  /** null for a group. */
  itemOf(row: Row): Item | null;
  /** The id of the row of an item. */
  keyOf(item: Item): EntryId;
  /** 0 for rows under no other. A row stands under the last one before it that is less deep. */
  depthOf(row: Row): number;
  /** Whether rows are under it, shown or not. */
  isFoldable(row: Row): boolean;
  /** At most as many lines as `size` has rows. */
  details(item: Item, facts: DetailFacts<Past>, size: Size): readonly Line[];
  /** In front of a row. `-`: the row is over; tone `good`: it is new. */
  markOf(row: Row, isUnfolded: boolean): Shown;
}
