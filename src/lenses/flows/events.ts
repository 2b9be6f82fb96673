/** The events of each refresh, filtered and in order. */
import { type SortOrder, sortByColumn } from "../../core/sort.ts";
import type { Connection } from "./connection.ts";
import type { Accept } from "./filter.ts";
import type { Snapshot } from "./snapshot.ts";

export type EventName = "open" | "update" | "close";

/** One line of the stream. */
export interface ConnectionEvent {
  readonly event: EventName;
  readonly connection: Connection;
}

export interface Selection {
  /** null: everything. */
  readonly filter: Accept | null;
  readonly order: SortOrder<Connection>;
}

/**
 * Turns snapshots into events. A reader hears of every connection in the same way: an open, updates, a
 * close; also where the filter lets it through only later, when its owner becomes known, or not any
 * more, when another process has taken it over.
 */
export class EventSource {
  readonly #selection: Selection;
  /** Keys of the connections that were opened and not closed, as the reader knows them; with a filter only. */
  readonly #told = new Set<number>();

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /**
   * Opens and updates in the user's order, then closes in the same order, so that a connection that
   * came and went between two refreshes opens before it closes.
   */
  of(snapshot: Snapshot): ConnectionEvent[] {
    const { filter, order } = this.#selection;
    const sorted = (connections: readonly Connection[]) => sortByColumn(connections, order, snapshot.timeNs);
    const current = [...snapshot.opened, ...snapshot.updated];
    if (filter === null) {
      const opened = new Set(snapshot.opened);
      return [
        ...sorted(current).map((connection) =>
          eventOf(opened.has(connection) ? "open" : "update", connection),
        ),
        ...sorted(snapshot.closed).map((connection) => eventOf("close", connection)),
      ];
    }
    const closed = snapshot.closed.filter(
      (connection) => this.#told.has(connection.key) || filter(connection),
    );
    return [
      ...sorted(current.filter(filter)).map((connection) => eventOf(this.#tell(connection), connection)),
      ...sorted(closed).flatMap((connection) => this.#close(connection)),
    ];
  }

  /**
   * The opens and closes of what is in none of a snapshot's lists, each connection's together, in the order of their
   * ends. Made one by one, and as often as they are asked for.
   */
  unlisted({ unlisted }: Snapshot): Iterable<ConnectionEvent> {
    const { filter } = this.#selection;
    return {
      *[Symbol.iterator]() {
        for (const connection of unlisted) {
          if (filter !== null && !filter(connection)) continue;
          yield eventOf("open", connection);
          yield eventOf("close", connection);
        }
      },
    };
  }

  #tell({ key }: Connection): "open" | "update" {
    if (this.#told.has(key)) return "update";
    this.#told.add(key);
    return "open";
  }

  #close(connection: Connection): ConnectionEvent[] {
    const close = eventOf("close", connection);
    return this.#told.delete(connection.key) ? [close] : [eventOf("open", connection), close];
  }
}

function eventOf(event: ConnectionEvent["event"], connection: Connection): ConnectionEvent {
  return { event, connection };
}
