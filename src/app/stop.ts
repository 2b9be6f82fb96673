/** Waiting that a request to end cuts short. */
import type { World } from "./world.ts";

const NS_PER_MS = 1e6;

export class Stop {
  readonly #world: Pick<World, "clock" | "after">;
  #requests = 0;
  #wake: () => void = () => {};

  constructor(world: Pick<World, "clock" | "after">) {
    this.#world = world;
  }

  /** How often the end was asked for. */
  get requests(): number {
    return this.#requests;
  }

  /** Ends the wait that is on, and from now on every `until`. */
  request(): void {
    this.#requests++;
    this.#wake();
  }

  /** Waits until the monotonic clock shows `deadlineNs`, or the end was asked for. */
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
