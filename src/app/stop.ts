/** Waits that end early at a request to end. */
import type { World } from "./world.ts";

const NS_PER_MS = 1e6;

export class Stop {
  readonly #world: Pick<World, "clock" | "after">;
  #requests = 0;
  #wake: () => void = () => {};

  constructor(world: Pick<World, "clock" | "after">) {
    this.#world = world;
  }

  /** Requests to end so far. */
  get requests(): number {
    return this.#requests;
  }

  /** Ends the present wait, and every later `until` at once. */
  request(): void {
    this.#requests++;
    this.#wake();
  }

  /** Waits until the monotonic clock shows `deadlineNs`, or for a request to end. */
  async until(deadlineNs: number): Promise<void> {
    while (this.#requests === 0) {
      const leftNs = deadlineNs - this.#world.clock.monotonicNs();
      if (leftNs <= 0) return;
      await this.#pause(Math.ceil(leftNs / NS_PER_MS));
    }
  }

  /** The promise's value, or null when the next request, or `ms` milliseconds, came first. */
  orNext<T>(promise: Promise<T>, ms?: number): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const giveUp = () => resolve(null);
      const cancel = ms === undefined ? () => {} : this.#world.after(ms, giveUp);
      this.#wake = () => {
        cancel();
        giveUp();
      };
      promise.then(resolve, reject).finally(cancel);
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#world.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
