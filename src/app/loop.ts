/** The loop of refreshes from the capture to the sinks. No other part of a capture has timers. */
import type { Intake } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface LoopOptions {
  /** Nanoseconds from one refresh to the next. */
  readonly delayNs: number;
  /** null: until a request to end. */
  readonly iterations: number | null;
}

/** The way to the model of one lens. */
export interface LensIntake {
  /** Its id. */
  readonly lens: string;
  readonly intake: Intake;
}

/** The ring buffers are emptied at least this often, so that a burst does not fill them. */
const DRAIN_INTERVAL_NS = 100e6;

export class Loop {
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  readonly #world: World;
  readonly #iterations: number | null;
  readonly #lenses: readonly LensIntake[];
  #delayNs: number;
  /** Refreshes come at whole multiples of the delay after this time. */
  #gridNs = 0;

  /** `startNs`: when the capture began. `lenses`: a refresh has them in this order. */
  constructor(world: World, options: LoopOptions, startNs: number, lenses: readonly LensIntake[]) {
    this.#world = world;
    this.#iterations = options.iterations;
    this.#delayNs = options.delayNs;
    this.startNs = startNs;
    this.#lenses = lenses;
  }

  /** Reads what there is already, then refreshes until a request to end or the last iteration. */
  async follow(stop: Stop, sinks: FanOut<Refresh>): Promise<void> {
    const seeds = await stop.orNext(Promise.all(this.#lenses.map(({ intake }) => intake.seed())));
    if (seeds === null || stop.requests > 0) return;
    for (const { intake } of this.#lenses) intake.begin();
    sinks.start(this.#refresh());
    await this.#refreshOnTime(stop, sinks);
  }

  /** Refreshes every `delayNs` from now on. */
  setDelay(delayNs: number): void {
    this.#delayNs = delayNs;
    this.#gridNs = this.#world.clock.monotonicNs();
  }

  /** Turns a switch of a lens. */
  turn(lens: string, id: string, isOn: boolean): void {
    this.#lenses.find((one) => one.lens === lens)?.intake.turn(id, isOn);
  }

  /** All lenses are read before any is shown, so that they are of one moment. */
  #refresh(): Refresh {
    const { clock } = this.#world;
    for (const { intake } of this.#lenses) intake.collect();
    const at = { nowNs: clock.monotonicNs(), wallMs: clock.wallMs() };
    return { at, snapshots: new Map(this.#lenses.map(({ lens, intake }) => [lens, intake.refresh(at)])) };
  }

  /**
   * Refreshes at whole multiples of the delay since the start, so that lateness does not add up. Multiples that
   * pass while the machine is busy are left out. A last refresh covers the time until the end.
   */
  async #refreshOnTime(stop: Stop, sinks: FanOut<Refresh>): Promise<void> {
    const { clock } = this.#world;
    this.#gridNs = clock.monotonicNs();
    let lastNs = this.#gridNs;
    for (let refreshes = 0; ; ) {
      const nextNs = this.#nextAfter(lastNs);
      await stop.until(Math.min(nextNs, clock.monotonicNs() + DRAIN_INTERVAL_NS));
      const nowNs = clock.monotonicNs();
      const isDue = nowNs >= this.#nextAfter(lastNs);
      if (stop.requests === 0 && !isDue) {
        for (const { intake } of this.#lenses) intake.drain();
        if (!this.#lenses.some(({ intake }) => intake.isCrowded)) continue;
      }
      if (isDue) refreshes++;
      const isLast = refreshes === this.#iterations || stop.requests > 0;
      sinks.refresh(this.#refresh(), isLast);
      if (isLast || sinks.hasEnded) return;
      for (const { intake } of this.#lenses) intake.readAhead();
      // A refresh that takes longer than the delay must not follow itself at once: signals and pipes wait for a pause.
      lastNs = clock.monotonicNs();
    }
  }

  /** The first multiple of the delay after a moment; after the start where that moment is before it. */
  #nextAfter(timeNs: number): number {
    const sinceNs = Math.max(0, timeNs - this.#gridNs);
    return this.#gridNs + (Math.floor(sinceNs / this.#delayNs) + 1) * this.#delayNs;
  }
}
