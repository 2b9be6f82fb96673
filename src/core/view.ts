/** What a view is: the rows of a table in their order, and the columns that tell of them. */
import type { NumberStyle } from "../base/format.ts";
import type { Line, Size } from "./cells.ts";
import type { CellKind } from "./column.ts";
import type { ProcessFacts, ProcessId } from "./process.ts";
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
  /** Groups whose members are shown. */
  readonly unfolded: ReadonlySet<EntryId>;
}

/** How the user wants the columns of a view. */
export interface ColumnWishes {
  readonly isWide: boolean;
  readonly numbers: "rates" | "totals";
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
  /** A group stands in front of its members. */
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
  /** null: unknown, for example because the process has ended. */
  readonly process: ProcessFacts | null;
  /** What is shown is a recording, which has no facts of processes. */
  readonly isReplay: boolean;
  readonly style: NumberStyle;
}

/** A view of `Item`s; a row is an item, or a group of them. `Past`: the last refreshes of an item. */
export interface View<Item, Past, Row extends object = object, List extends Listed<Row> = Listed<Row>> {
  readonly id: string;
  /** On the page of keys. */
  readonly title: string;
  /** What groups are called, one and many; null: there are none. */
  readonly groupWords: readonly [one: string, many: string] | null;
  /** Keys of the keyboard that sort, with the column that each sorts by. */
  readonly sortKeys: Readonly<Record<string, string>>;
  list(items: readonly Item[], nowNs: number, wishes: ListWishes): List;
  columns(list: List, wishes: ColumnWishes): readonly TableColumn<Row>[];
  /** The column that gets the room which the others leave. */
  readonly filler?: TableColumn<Row>;
  /** A column that also says what those that found no room would have said. */
  standIn?(column: TableColumn<Row>, kept: readonly TableColumn<Row>[]): TableColumn<Row>;
  /** The column that rows are sorted by, by its key; null where there is none. */
  sortColumn(key: string): { readonly kind: CellKind; readonly title: string } | null;
  idOf(row: Row): EntryId;
  /** null for a group. */
  itemOf(row: Row): Item | null;
  /** At most as many lines as `size` has rows. */
  details(item: Item, facts: DetailFacts<Past>, size: Size): readonly Line[];
  /** In front of a row. `-`: the row is over; tone `good`: it is new. */
  markOf(row: Row, isUnfolded: boolean): Shown;
}
