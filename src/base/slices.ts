/** Long work in slices, so that keys, signals and refreshes are served in between. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "./clock.ts";

const SLICE_NS = 8e6;

/** Items of `forEach` between two reads of the clock. */
const ITEMS_PER_LOOK = 256;

export class Slices {
  readonly #clock: Clock;
  #startNs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startNs = clock.monotonicNs();
  }

  /** Whether it is time to await `next()`. Ask often, but not for less than some microseconds of work. */
  areDue(): boolean {
    return this.#clock.monotonicNs() - this.#startNs >= SLICE_NS;
  }

  /** Serves the events that wait. */
  async next(): Promise<void> {
    await setImmediate();
    this.#startNs = this.#clock.monotonicNs();
  }

  /** Calls `visit` for each item. */
  async forEach<T>(items: Iterable<T>, visit: (item: T) => void): Promise<void> {
    let visited = 0;
    for (const item of items) {
      visit(item);
      if (++visited % ITEMS_PER_LOOK === 0 && this.areDue()) await this.next();
    }
  }
}
