/** The stream: every refresh as lines, for as long as somebody reads them. */
import type { Losses } from "../model/record.ts";
import { Backlog } from "../output/backlog.ts";
import { EventSource, type Selection } from "../output/events.ts";
import type { Output } from "../output/output.ts";
import { Sink } from "../output/sink.ts";
import type { Capture } from "../platform/platform.ts";
import { type Log, logged } from "./log.ts";
import { type Face, type Look, Loop, type LoopOptions } from "./loop.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface RunOptions extends LoopOptions {
  readonly version: string;
  readonly output: Output;
  readonly selection: Selection;
  readonly log: Log | null;
}

const STDOUT_FD = 1;

/** How long a reader that does not read may hold up the end. */
const FLUSH_GRACE_MS = 2000;

class Stream implements Face {
  readonly #world: World;
  readonly #options: RunOptions;
  readonly #capture: Capture;
  readonly #sink: Sink;
  readonly #events: EventSource;
  readonly #backlog = new Backlog();
  #skipped = { refreshes: 0, events: 0 };
  #losses: Losses | null = null;

  constructor(world: World, options: RunOptions, capture: Capture, sink: Sink) {
    this.#world = world;
    this.#options = options;
    this.#capture = capture;
    this.#sink = sink;
    this.#events = new EventSource(options.selection);
  }

  get hasEnded(): boolean {
    return this.#sink.hasEnded;
  }

  /** Two writes: a reader that waits for the start need not wait for what existed before to be put in words. */
  start({ at, snapshot }: Look): void {
    const { output, version } = this.#options;
    const { backend, kernel, stepDowns } = this.#capture;
    this.#losses = snapshot.losses;
    this.#sink.write(output.start({ version, backend, kernel, stepDowns }, at));
    this.#sink.write(output.events(this.#events.of(snapshot), at));
  }

  refresh(look: Look, isLast: boolean): void {
    this.#losses = look.snapshot.losses;
    this.#write(look, isLast);
    // With nothing to write, no write tells.
    if (!this.#world.platform.hasReader(STDOUT_FD)) this.#sink.readerLeft();
  }

  /** Tells on standard error what the form had no room for. */
  warn(): void {
    if (this.#losses === null) return;
    const warning = this.#options.output.warning(this.#losses, this.#skipped);
    if (warning !== "") this.#world.stderr.write(warning, () => {});
  }

  /** Writes a refresh; while the one before still waits for its reader, keeps it for the next. The last is written. */
  #write({ at, snapshot }: Look, isLast: boolean): void {
    const { output } = this.#options;
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
}

/** Waits for a slow reader; after a request to end, not for long. False if text was left unwritten. */
async function flush(sink: Sink, stop: Stop): Promise<boolean> {
  if (stop.requests === 0) await stop.orNext(sink.flushed());
  if (!sink.isIdle) await stop.orNext(sink.flushed(), FLUSH_GRACE_MS);
  return sink.isIdle;
}

/**
 * Captures and streams until the end of the iterations, a request to end, the reader going away, or a log that
 * ends. Resolves to whether all text was written. Throws ExitError as the platform does, and 74 when writing
 * failed; the capture is closed in any case.
 */
export async function run(world: World, options: RunOptions): Promise<boolean> {
  const stop = new Stop(world);
  const sink = new Sink(world.stdout, "standard output");
  const stopListening = world.onStop(() => stop.request());
  sink.onEnd(() => stop.request());
  options.log?.onEnd(() => stop.request());
  try {
    const capture = world.platform.open(options.capture);
    try {
      const stream = new Stream(world, options, capture, sink);
      await new Loop(world, options, capture).follow(stop, logged(stream, options.log));
      stream.warn();
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
