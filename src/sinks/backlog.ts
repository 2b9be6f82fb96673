/** The events that wait for a slow reader: refreshes merged into one, in bounded memory. */
import type { ConnectionEvent } from "../lenses/flows/events.ts";

/** Events that wait at most; some 10 MB of text. */
const MOST_EVENTS = 20_000;

/**
 * Holds the events of refreshes that could not be written. Each connection keeps its open, its latest figures and
 * its close; only the steps between are lost.
 */
export class Backlog {
  readonly #limit: number;
  readonly #current = new Map<number, ConnectionEvent>();
  readonly #closed = new Map<number, ConnectionEvent>();

  constructor(limit = MOST_EVENTS) {
    this.#limit = limit;
  }

  /** Adds a refresh; returns how many of its events found no room. */
  add(events: Iterable<ConnectionEvent>): number {
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
  takeWith(events: readonly ConnectionEvent[]): readonly ConnectionEvent[] {
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

  #isHeld({ event, connection: { key } }: ConnectionEvent): boolean {
    return (event === "close" ? this.#closed : this.#current).has(key);
  }

  #merge(event: ConnectionEvent): void {
    const { connection } = event;
    if (event.event === "close") this.#closed.set(connection.key, event);
    else
      this.#current.set(connection.key, {
        event: this.#current.get(connection.key)?.event ?? event.event,
        connection,
      });
  }
}
