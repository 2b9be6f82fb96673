/** The table of flows, for the stream and the log. */
import type { Table } from "../../core/table.ts";
import { FIELDS, findColumn } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { EventSource } from "./events.ts";
import type { Accept } from "./filter.ts";
import { flowText } from "./text.ts";

/** `accept`: the command line's filter; null: everything. */
export function flowTable(accept: Accept | null): Table<Connection> {
  return {
    id: "flows",
    version: 4,
    columns: FIELDS,
    events: { open: "opens", update: "updates", close: "closes" },
    key: ({ key }) => key,
    source: ({ key, reverse }) =>
      new EventSource({ filter: accept, order: { column: (key && findColumn(key)) || null, reverse } }),
    textForm: flowText,
  };
}
