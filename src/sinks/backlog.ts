/** The events that wait for a slow reader: refreshes merged into one, in bounded memory. */
import type { Table, TableEvent } from "../core/table.ts";
import type { EntryId } from "../core/view.ts";

/** Events that wait at most; some 10 MB of text. */
const MOST_EVENTS = 20_000;

/**
 * Holds the events of refreshes that could not be written. Each row keeps its open, its latest figures and its close;
 * only the steps between are lost. Events that stand alone are kept as they are.
 */
export class Backlog {
  readonly #table: Table;
  readonly #limit: number;
  /** By the keys of rows; an event that stands alone by itself. */
  readonly #current = new Map<EntryId | TableEvent, TableEvent>();
  readonly #closed = new Map<EntryId, TableEvent>();

  constructor(table: Table, limit = MOST_EVENTS) {
    this.#table = table;
    this.#limit = limit;
  }

  /** Adds a refresh; returns how many of its events found no room. */
  add(events: Iterable<TableEvent>): number {
    let skipped = 0;
    for (const event of events) {
      if (this.#size < this.#limit || this.#isHeld(event)) this.#merge(event);
      else skipped++;
    }
    return skipped;
  }

  /**
   * Everything held, with one more refresh, which always has room; nothing is held afterwards. Opens and
   * updates come before closes.
   */
  takeWith(events: readonly TableEvent[]): readonly TableEvent[] {
    if (this.#size === 0) return events;
    for (const event of events) this.#merge(event);
    const all = [...this.#current.values(), ...this.#closed.values()];
    this.#current.clear();
    this.#closed.clear();
    return all;
  }

  get #size(): number {
    return this.#current.size + this.#closed.size;
  }

  #isHeld({ event, row }: TableEvent): boolean {
    const role = this.#table.events[event];
    if (role === "stands") return false;
    return (role === "closes" ? this.#closed : this.#current).has(this.#table.key(row));
  }

  #merge(item: TableEvent): void {
    const { event, row } = item;
    const role = this.#table.events[event];
    if (role === "stands") {
      this.#current.set(item, item);
      return;
    }
    const key = this.#table.key(row);
    if (role === "closes") this.#closed.set(key, item);
    else this.#current.set(key, { event: this.#current.get(key)?.event ?? event, row });
  }
}
