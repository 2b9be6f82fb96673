/** The loop from capture to stream: it owns the only timers. */
import { Aggregator } from "../aggregate/aggregator.ts";
import type { FlowRecord, Losses } from "../model/record.ts";
import type { Snapshot } from "../model/snapshot.ts";
import { Backlog } from "../output/backlog.ts";
import { EventSource, type Selection } from "../output/events.ts";
import type { Moment, Output } from "../output/output.ts";
import { Sink } from "../output/sink.ts";
import type { Capture, CaptureOptions } from "../platform/platform.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface RunOptions {
  readonly version: string;
  readonly capture: CaptureOptions;
  readonly output: Output;
  readonly selection: Selection;
  /** Nanoseconds from one refresh to the next. */
  readonly delayNs: number;
  /** null: until a request to end. */
  readonly iterations: number | null;
  /** Also the sockets that carry no flow: listening, TIME_WAIT. */
  readonly all: boolean;
}

/** The ring buffer is emptied at least this often, so that a burst does not fill it. */
const DRAIN_INTERVAL_NS = 200e6;

const STDOUT_FD = 1;

/** How long a reader that does not read may hold up the end. */
const FLUSH_GRACE_MS = 2000;

class Run {
  readonly #world: World;
  readonly #options: RunOptions;
  readonly #capture: Capture;
  readonly #aggregator: Aggregator;
  readonly #sink: Sink;
  readonly #events: EventSource;
  readonly #backlog = new Backlog();
  #skipped = { refreshes: 0, events: 0 };
  #losses: Losses | null = null;
  #readsSockets = false;
  #socketsFailure: { readonly error: unknown } | null = null;

  constructor(world: World, options: RunOptions, capture: Capture, sink: Sink) {
    this.#world = world;
    this.#options = options;
    this.#capture = capture;
    this.#sink = sink;
    this.#events = new EventSource(options.selection);
    this.#aggregator = new Aggregator({
      udpIdleNs: options.capture.udpIdleNs,
      startNs: world.clock.monotonicNs(),
    });
  }

  /** Seeds, then refreshes until it is asked to end or has done so often enough. */
  async follow(stop: Stop): Promise<void> {
    const seed = await stop.orNext(this.#capture.seed());
    if (seed === null || stop.requests > 0) return;
    this.#aggregator.seed(seed, this.#world.clock.monotonicNs());
    if (this.#options.all) this.#aggregator.setSockets(seed.entries);
    this.#start();
    await this.#refreshOnTime(stop);
    if (this.#losses) {
      const warning = this.#options.output.warning(this.#losses, this.#skipped);
      if (warning !== "") this.#world.stderr.write(warning, () => {});
    }
  }

  /** The start and what existed before (D-15) are one write; the first refresh comes a delay later. */
  #start(): void {
    const { output, version } = this.#options;
    const { backend, kernel, stepDowns } = this.#capture;
    const { at, snapshot } = this.#look();
    const start = output.start({ version, backend, kernel, stepDowns }, at);
    this.#sink.write(start + output.events(this.#events.of(snapshot), at));
  }

  /**
   * Refreshes at whole multiples of the delay since the start, so that lateness does not add up; times
   * that have passed while the machine was busy are left out. A last refresh tells what was seen until
   * the end.
   */
  async #refreshOnTime(stop: Stop): Promise<void> {
    const { clock } = this.#world;
    const { delayNs, iterations } = this.#options;
    const startNs = clock.monotonicNs();
    let nextNs = startNs + delayNs;
    for (let refreshes = 0; ; ) {
      await stop.until(Math.min(nextNs, clock.monotonicNs() + DRAIN_INTERVAL_NS));
      const nowNs = clock.monotonicNs();
      if (stop.requests === 0 && nowNs < nextNs) {
        this.#capture.drain(this.#apply);
        continue;
      }
      const isLast = ++refreshes === iterations || stop.requests > 0;
      this.#refresh(isLast);
      // With nothing to write, no write tells.
      if (!this.#world.platform.hasReader(STDOUT_FD)) this.#sink.readerLeft();
      if (isLast || this.#sink.hasEnded) return;
      if (this.#options.all) this.#readSockets();
      nextNs = startNs + (Math.floor((nowNs - startNs) / delayNs) + 1) * delayNs;
    }
  }

  readonly #apply = (record: FlowRecord): void => this.#aggregator.apply(record);

  #look(): { readonly at: Moment; readonly snapshot: Snapshot } {
    this.#capture.drain(this.#apply);
    this.#capture.sweep(this.#apply);
    const { clock } = this.#world;
    const at: Moment = { nowNs: clock.monotonicNs(), wallMs: clock.wallMs() };
    this.#losses = this.#capture.losses();
    return { at, snapshot: this.#aggregator.refresh(at.nowNs, this.#losses) };
  }

  /** Writes a refresh; while the one before still waits for its reader, keeps it for the next. The last is written. */
  #refresh(isLast: boolean): void {
    if (this.#socketsFailure) throw this.#socketsFailure.error;
    const { output } = this.#options;
    const { at, snapshot } = this.#look();
    const events = this.#events.of(snapshot);
    if (!this.#sink.isIdle && !isLast) {
      const { refreshes, events: before } = this.#skipped;
      this.#skipped = { refreshes: refreshes + 1, events: before + this.#backlog.add(events) };
      return;
    }
    this.#sink.write(
      output.events(this.#backlog.takeWith(events), at) + output.summary(snapshot, this.#skipped, at),
    );
  }

  /** Reads the sockets that carry no flow for the refreshes to come; never twice at once. */
  #readSockets(): void {
    if (this.#readsSockets) return;
    this.#readsSockets = true;
    this.#capture
      .sockets()
      .then(({ entries }) => this.#aggregator.setSockets(entries))
      .catch((error: unknown) => {
        this.#socketsFailure = { error };
      })
      .finally(() => {
        this.#readsSockets = false;
      });
  }
}

/** Waits for a slow reader; after a request to end, not for long. False if text was left unwritten. */
async function flush(sink: Sink, stop: Stop): Promise<boolean> {
  if (stop.requests === 0) await stop.orNext(sink.flushed());
  if (!sink.isIdle) await stop.orNext(sink.flushed(), FLUSH_GRACE_MS);
  return sink.isIdle;
}

/**
 * Captures and streams until the end of the iterations, a request to end, or the reader going away.
 * Resolves to whether all text was written. Throws ExitError as the platform does, and 74 when writing
 * failed; the capture is closed in any case.
 */
export async function run(world: World, options: RunOptions): Promise<boolean> {
  const stop = new Stop(world);
  const sink = new Sink(world.stdout, "standard output");
  const stopListening = world.onStop(() => stop.request());
  sink.onEnd(() => stop.request());
  try {
    const capture = world.platform.open(options.capture);
    try {
      await new Run(world, options, capture, sink).follow(stop);
    } finally {
      capture.close();
    }
    const isFlushed = await flush(sink, stop);
    if (sink.error) throw sink.error;
    return isFlushed;
  } finally {
    stopListening();
  }
}
