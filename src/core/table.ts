/** What a table of a lens is: columns, and the events of each refresh. The stream and the log are written against it. */
import type { Moment } from "../base/clock.ts";
import type { NumberStyle } from "../base/format.ts";
import type { Column } from "./column.ts";
import type { Refresh } from "./refresh.ts";
import type { EntryId } from "./view.ts";

/**
 * What an event is in the life of its row. While a reader is slow, `opens` and the latest `updates` of a row become one
 * event, and `closes` stays; an event that `stands` alone is never merged.
 */
export type EventRole = "opens" | "updates" | "closes" | "stands";

/** One line of the stream. */
export interface TableEvent<Row extends object = object> {
  /** One of the table's names. */
  readonly event: string;
  readonly row: Row;
  /** When it happened, CLOCK_MONOTONIC; absent: at the refresh. */
  readonly timeNs?: number;
}

const NS_PER_MS = 1e6;

/** When an event happened; `at`: the moment of its refresh. */
export function momentOf({ timeNs }: TableEvent, at: Moment): Moment {
  return timeNs === undefined ? at : { nowNs: timeNs, wallMs: at.wallMs - (at.nowNs - timeNs) / NS_PER_MS };
}

/** The events of a table for one reader. It takes in every refresh, in order. */
export interface EventSource<Row extends object = object> {
  /** In the order in which they are written. Once a refresh. */
  of(refresh: Refresh): readonly TableEvent<Row>[];
  /** More events of the refresh, which come after those. Made one by one, and as often as they are asked for. */
  unlisted(refresh: Refresh): Iterable<TableEvent<Row>>;
}

/** A line of the stream for people. */
export interface TextLine {
  /** Without its end. From outside nothing that is not sanitised. */
  readonly text: string;
  readonly tone: "plain" | "new" | "over";
}

/** Makes lines of one stream: its columns may grow from line to line. */
export interface TextForm<Row extends object = object> {
  line(event: TableEvent<Row>, at: Moment): TextLine;
}

/** By the key of a column; null: the table's own order. `reverse` turns the natural direction round. */
export interface TableOrder {
  readonly key: string | null;
  readonly reverse: boolean;
}

export interface Table<Row extends object = object> {
  /** In `--log NAME=FILE`. */
  readonly id: string;
  /** Of the columns, from 1 on. New columns are added at the right, and raise it. */
  readonly version: number;
  /** The columns for programs, in the order of the contract. Their keys are the members of a line of JSON. */
  readonly columns: readonly Column<Row>[];
  /** Its events by name. No other table has an event of the same name. */
  readonly events: Readonly<Record<string, EventRole>>;
  /** Tells rows apart, through all refreshes. */
  key(row: Row): EntryId;
  /** The events of what the filter lets through, for one reader. */
  source(order: TableOrder): EventSource<Row>;
  textForm(style: NumberStyle): TextForm<Row>;
}
