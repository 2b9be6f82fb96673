/** The loop of refreshes from the capture to the screen or the stream. No other part of a capture has timers. */

import type { Moment } from "../base/clock.ts";
import { Aggregator } from "../lenses/flows/model/aggregator.ts";
import type { FlowRecord, SeedEntry } from "../lenses/flows/record.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import type { Capture, CaptureOptions } from "../platform/platform.ts";
import type { RecordingWriter } from "../recording/writer.ts";
import { Ghosts } from "./ghosts.ts";
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

/** One refresh: its time and its snapshot. */
export interface Look {
  readonly at: Moment;
  readonly snapshot: Snapshot;
}

/** What shows refreshes: the stream or the screen. */
export interface Face {
  /** Shows the existing connections. The first refresh comes one delay later. */
  start(look: Look): void;
  refresh(look: Look, isLast: boolean): void;
  /** Whether nothing more can be shown. */
  readonly hasEnded: boolean;
  /** Resolves once every refresh is shown. A capture does not wait; a replay does. */
  ready(): Promise<void>;
  /** Takes in a refresh that a seek passes over, without showing it. */
  pass(look: Look): void;
  /** Forgets all refreshes: the recording is played from its start again. */
  rewind(): void;
  /** Shows a changed position or pace of the replay. */
  played(): void;
}

/** The ring buffer is emptied at least this often, so that a burst does not fill it. */
const DRAIN_INTERVAL_NS = 100e6;

export class Loop {
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  readonly #world: World;
  readonly #iterations: number | null;
  readonly #capture: Capture;
  readonly #aggregator: Aggregator;
  readonly #ghosts: Ghosts;
  /** Gets every input of the aggregator; the records come from the tap of the capture. */
  readonly #recorder: RecordingWriter | null;
  #delayNs: number;
  #all: boolean;
  /** Refreshes come at whole multiples of the delay after this time. */
  #gridNs = 0;
  #readsSockets = false;
  #socketsFailure: { readonly error: unknown } | null = null;

  constructor(world: World, options: LoopOptions, capture: Capture, recorder: RecordingWriter | null = null) {
    this.#world = world;
    this.#capture = capture;
    this.#iterations = options.iterations;
    this.#delayNs = options.delayNs;
    this.#all = options.all;
    this.#recorder = recorder;
    this.startNs = world.clock.monotonicNs();
    this.#aggregator = new Aggregator({ udpIdleNs: options.capture.udpIdleNs, startNs: this.startNs });
    this.#ghosts = new Ghosts(capture, this.#aggregator, recorder, world.clock);
  }

  /** Reads the existing connections, then refreshes until a request to end or the last iteration. */
  async follow(stop: Stop, face: Face): Promise<void> {
    const seed = await stop.orNext(this.#capture.seed());
    if (seed === null || stop.requests > 0) return;
    const nowNs = this.#world.clock.monotonicNs();
    this.#aggregator.seed(seed.entries, nowNs);
    this.#recorder?.seed(seed.entries, nowNs);
    if (this.#all) this.#setSockets(seed.entries);
    face.start(this.#look());
    await this.#refreshOnTime(stop, face);
  }

  /** Refreshes every `delayNs` from now on. */
  setDelay(delayNs: number): void {
    this.#delayNs = delayNs;
    this.#gridNs = this.#world.clock.monotonicNs();
  }

  /** Shows the sockets that carry no flow from the next refresh on, or no more. */
  setAll(all: boolean): void {
    this.#all = all;
    if (all) this.#readSockets();
    else this.#setSockets([]);
  }

  /**
   * Refreshes at whole multiples of the delay since the start, so that lateness does not add up. Multiples that
   * pass while the machine is busy are left out. A last refresh covers the time until the end.
   */
  async #refreshOnTime(stop: Stop, face: Face): Promise<void> {
    const { clock } = this.#world;
    this.#gridNs = clock.monotonicNs();
    let lastNs = this.#gridNs;
    for (let refreshes = 0; ; ) {
      const nextNs = this.#nextAfter(lastNs);
      await stop.until(Math.min(nextNs, clock.monotonicNs() + DRAIN_INTERVAL_NS));
      const nowNs = clock.monotonicNs();
      const isDue = nowNs >= this.#nextAfter(lastNs);
      if (stop.requests === 0 && !isDue) {
        this.#capture.drain(this.#apply);
        // Before a flood fills the memory.
        if (!this.#aggregator.isCrowded) continue;
      }
      if (isDue) refreshes++;
      const isLast = refreshes === this.#iterations || stop.requests > 0;
      if (this.#socketsFailure) throw this.#socketsFailure.error;
      face.refresh(this.#look(), isLast);
      if (isLast || face.hasEnded) return;
      if (this.#all) this.#readSockets();
      // A refresh that takes longer than the delay must not follow itself at once: signals and pipes wait for a pause.
      lastNs = clock.monotonicNs();
    }
  }

  /** The first multiple of the delay after a moment; after the start where that moment is before it. */
  #nextAfter(timeNs: number): number {
    const sinceNs = Math.max(0, timeNs - this.#gridNs);
    return this.#gridNs + (Math.floor(sinceNs / this.#delayNs) + 1) * this.#delayNs;
  }

  readonly #apply = (record: FlowRecord): void => this.#aggregator.apply(record);

  #look(): Look {
    this.#capture.drain(this.#apply);
    this.#ghosts.sweep(this.#apply);
    const { clock } = this.#world;
    const at: Moment = { nowNs: clock.monotonicNs(), wallMs: clock.wallMs() };
    const losses = this.#capture.losses();
    const snapshot = this.#aggregator.refresh(at.nowNs, losses);
    this.#recorder?.refresh(at, losses);
    this.#ghosts.refreshed(losses.closesLost);
    return { at, snapshot };
  }

  #setSockets(entries: readonly SeedEntry[]): void {
    this.#aggregator.setSockets(entries);
    this.#recorder?.sockets(entries);
  }

  /** Reads the sockets that carry no flow, for the refreshes to come. Only one read runs at a time. */
  #readSockets(): void {
    if (this.#readsSockets) return;
    this.#readsSockets = true;
    this.#capture
      .sockets()
      .then(({ entries }) => {
        if (this.#all) this.#setSockets(entries);
      })
      .catch((error: unknown) => {
        this.#socketsFailure = { error };
      })
      .finally(() => {
        this.#readsSockets = false;
      });
  }
}
