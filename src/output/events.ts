/** The lines one refresh has to say, filtered and in order. */
import type { Connection } from "../model/connection.ts";
import type { Snapshot } from "../model/snapshot.ts";
import { type SortOrder, sortConnections } from "../view/sort.ts";
import type { ConnectionEvent } from "./output.ts";

export interface Selection {
  /** null: everything. */
  readonly filter: ((connection: Connection) => boolean) | null;
  readonly order: SortOrder;
}

/**
 * Opens and updates in the user's order, then closes in the same order, so that a connection that
 * came and went between two refreshes opens before it closes.
 */
export function eventsOf(snapshot: Snapshot, { filter, order }: Selection): ConnectionEvent[] {
  const select = (connections: readonly Connection[]) =>
    sortConnections(filter ? connections.filter(filter) : connections, order, snapshot.timeNs);
  const opened = new Set(snapshot.opened);
  return [
    ...select([...snapshot.opened, ...snapshot.updated]).map(
      (connection): ConnectionEvent => ({ event: opened.has(connection) ? "open" : "update", connection }),
    ),
    ...select(snapshot.closed).map((connection): ConnectionEvent => ({ event: "close", connection })),
  ];
}
