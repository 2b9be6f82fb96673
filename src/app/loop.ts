/** The loop of refreshes from the capture to the sinks. No other part of a capture has timers. */
import { FlowIntake, type FlowRecorder } from "../lenses/flows/intake.ts";
import type { Refresh } from "../lenses.ts";
import type { Capture, CaptureOptions } from "../platform/platform.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface LoopOptions {
  readonly capture: CaptureOptions;
  /** Nanoseconds from one refresh to the next. */
  readonly delayNs: number;
  /** null: until a request to end. */
  readonly iterations: number | null;
  /** Also the sockets that carry no flow: listening, TIME_WAIT. */
  readonly all: boolean;
}

/** The ring buffer is emptied at least this often, so that a burst does not fill it. */
const DRAIN_INTERVAL_NS = 100e6;

export class Loop {
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  readonly #world: World;
  readonly #iterations: number | null;
  readonly #intake: FlowIntake;
  #delayNs: number;
  /** Refreshes come at whole multiples of the delay after this time. */
  #gridNs = 0;

  /** `recorder` gets all that reaches the model. */
  constructor(world: World, options: LoopOptions, capture: Capture, recorder: FlowRecorder | null = null) {
    this.#world = world;
    this.#iterations = options.iterations;
    this.#delayNs = options.delayNs;
    this.startNs = world.clock.monotonicNs();
    const {
      all,
      capture: { udpIdleNs },
    } = options;
    this.#intake = new FlowIntake(capture, recorder, world.clock, { udpIdleNs, startNs: this.startNs, all });
  }

  /** Reads the existing connections, then refreshes until a request to end or the last iteration. */
  async follow(stop: Stop, sinks: FanOut<Refresh>): Promise<void> {
    const seed = await stop.orNext(this.#intake.seed());
    if (seed === null || stop.requests > 0) return;
    sinks.start(this.#intake.begin(seed));
    await this.#refreshOnTime(stop, sinks);
  }

  /** Refreshes every `delayNs` from now on. */
  setDelay(delayNs: number): void {
    this.#delayNs = delayNs;
    this.#gridNs = this.#world.clock.monotonicNs();
  }

  /** Shows the sockets that carry no flow from the next refresh on, or no more. */
  setAll(all: boolean): void {
    this.#intake.setAll(all);
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
        this.#intake.drain();
        if (!this.#intake.isCrowded) continue;
      }
      if (isDue) refreshes++;
      const isLast = refreshes === this.#iterations || stop.requests > 0;
      sinks.refresh(this.#intake.refresh(), isLast);
      if (isLast || sinks.hasEnded) return;
      this.#intake.readAhead();
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
