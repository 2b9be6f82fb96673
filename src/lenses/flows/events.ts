/** The events of each refresh, filtered and in order. */
import type { Refresh } from "../../core/refresh.ts";
import { type SortOrder, sortByColumn } from "../../core/sort.ts";
import type { EventSource as AnySource, TableEvent } from "../../core/table.ts";
import type { Connection } from "./connection.ts";
import type { Accept } from "./filter.ts";
import { FLOWS } from "./snapshot.ts";

export type EventName = "open" | "update" | "close";

/** One line of the stream. */
export interface ConnectionEvent extends TableEvent<Connection> {
  readonly event: EventName;
}

export interface Selection {
  /** null: everything. */
  readonly filter: Accept | null;
  readonly order: SortOrder<Connection>;
}

/**
 * Turns snapshots into events. A reader hears of every connection in the same way: an open, updates, a
 * close; also where the filter lets it through only later, when its owner becomes known, or not any
 * more, when another process has taken it over. One that has left the filter closes with what it was shown with
 * last, so that closes and open rows add up to the sums (`Sums`).
 */
export class EventSource implements AnySource<Connection> {
  readonly #selection: Selection;
  /** Connections that were opened and not closed, as the reader knows them; with a filter only. */
  readonly #told = new Map<number, Connection>();

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /**
   * Opens and updates in the user's order, then closes in the same order, so that a connection that
   * came and went between two refreshes opens before it closes.
   */
  of(refresh: Refresh): ConnectionEvent[] {
    const snapshot = FLOWS.of(refresh);
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
  unlisted(refresh: Refresh): Iterable<ConnectionEvent> {
    const { unlisted } = FLOWS.of(refresh);
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

  #tell(connection: Connection): "open" | "update" {
    const { key } = connection;
    const event = this.#told.has(key) ? "update" : "open";
    this.#told.set(key, connection);
    return event;
  }

  #close(connection: Connection): ConnectionEvent[] {
    const before = this.#told.get(connection.key);
    if (before === undefined) return [eventOf("open", connection), eventOf("close", connection)];
    this.#told.delete(connection.key);
    return [eventOf("close", this.#selection.filter?.(connection) ? connection : ended(before, connection))];
  }
}

/** The end of a connection that the filter lets through no more. */
function ended(before: Connection, { phase, state }: Connection): Connection {
  return { ...before, phase, state, rateIn: 0, rateOut: 0 };
}

function eventOf(event: EventName, row: Connection): ConnectionEvent {
  return { event, row };
}
