/** The stream: every refresh as lines, for as long as somebody reads them. */

import { sanitise } from "../base/sanitise.ts";
import type { ConnectionEvent } from "../lenses/flows/events.ts";
import { EventSource, type Selection } from "../lenses/flows/events.ts";
import { NONE_SKIPPED, type Skipped } from "../lenses/flows/losses.ts";
import type { Refresh } from "../lenses/flows/snapshot.ts";
import { Sums } from "../lenses/flows/sums.ts";
import { Backlog } from "../sinks/backlog.ts";
import { eventPieces, type Output, type StartInfo } from "../sinks/output.ts";
import { Sink } from "../sinks/sink.ts";
import type { Feed } from "./feed.ts";
import { Live, type LiveOptions } from "./live.ts";
import { type Log, logged } from "./log.ts";
import type { Face } from "./loop.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface StreamOptions {
  readonly output: Output;
  readonly selection: Selection;
  readonly log?: Log | null;
}

export type RunOptions = LiveOptions & StreamOptions;

const STDOUT_FD = 1;

/** The longest time that an idle reader delays the end. */
const FLUSH_GRACE_MS = 2000;

class Stream implements Face {
  readonly #world: World;
  readonly #options: StreamOptions;
  readonly #info: StartInfo;
  readonly #sink: Sink;
  readonly #events: EventSource;
  readonly #sums: Sums;
  readonly #backlog = new Backlog();
  #skipped: Skipped = NONE_SKIPPED;
  #latest: Refresh | null = null;

  constructor(world: World, options: StreamOptions, info: StartInfo, sink: Sink) {
    this.#world = world;
    this.#options = options;
    this.#info = info;
    this.#sink = sink;
    this.#events = new EventSource(options.selection);
    this.#sums = new Sums(options.selection.filter);
  }

  get hasEnded(): boolean {
    return this.#sink.hasEnded;
  }

  /** Writes the start by itself: its reader does not wait for the text of the existing connections. */
  start(look: Refresh): void {
    const { at, snapshot } = look;
    const { output } = this.#options;
    this.#latest = look;
    this.#sums.add(snapshot);
    this.#sink.write(output.start(this.#info, at));
    this.#sink.writePieces(this.#pieces(this.#events.of(snapshot), look));
  }

  refresh(look: Refresh, isLast: boolean): void {
    this.#latest = look;
    this.#write(look, isLast);
    // Without a write there is no error from a write.
    if (!this.#world.platform.hasReader(STDOUT_FD)) this.#sink.readerLeft();
  }

  ready(): Promise<void> {
    return this.#sink.flushed();
  }

  /** Nobody seeks in a stream. */
  pass(): void {}
  rewind(): void {}
  played(): void {}

  /** Writes the losses that the form has no field for to standard error. */
  warn(): void {
    if (this.#latest === null) return;
    const { at, snapshot } = this.#latest;
    const warning = this.#options.output.warning(snapshot.losses, this.#skipped, at);
    if (warning !== "") this.#world.stderr.write(warning, () => {});
  }

  /** Writes a refresh. While the reader is busy with the one before, the events wait. The last refresh is written. */
  #write(look: Refresh, isLast: boolean): void {
    const { at, snapshot } = look;
    const events = this.#events.of(snapshot);
    const shown = this.#sums.add(snapshot);
    if (!this.#sink.isIdle && !isLast) {
      const { refreshesSkipped, eventsSkipped } = this.#skipped;
      this.#skipped = {
        refreshesSkipped: refreshesSkipped + 1,
        eventsSkipped:
          eventsSkipped + this.#backlog.add(events) + this.#backlog.add(this.#events.unlisted(snapshot)),
      };
      return;
    }
    const summary = this.#options.output.summary(snapshot, this.#skipped, at, shown);
    this.#sink.writePieces(this.#pieces(this.#backlog.takeWith(events), look, summary));
  }

  *#pieces(events: readonly ConnectionEvent[], { at, snapshot }: Refresh, summary = ""): Generator<string> {
    const { output } = this.#options;
    let last = "";
    for (const some of [events, this.#events.unlisted(snapshot)]) {
      for (const piece of eventPieces(output, some, at)) {
        yield last;
        last = piece;
      }
    }
    yield last + summary;
  }
}

/** Waits for a slow reader, after a request to end only a short time. False if text was left unwritten. */
async function flush(sink: Sink, stop: Stop): Promise<boolean> {
  if (stop.requests === 0) await stop.orNext(sink.flushed());
  if (!sink.isIdle) await stop.orNext(sink.flushed(), FLUSH_GRACE_MS);
  return sink.isIdle;
}

/**
 * Streams a feed until its end, a request to end, the end of the log, or until the reader goes away. Resolves to
 * whether all text was written. Throws the feed's failure, and ExitError 74 when writing failed. Always closes the feed.
 */
export async function streamFeed<F extends Feed>(
  world: World,
  options: StreamOptions,
  openFeed: (stop: Stop) => F | Promise<F>,
): Promise<boolean> {
  const stop = new Stop(world);
  const sink = new Sink(world.stdout, "standard output");
  const stopListening = world.onStop(() => stop.request());
  sink.onEnd(() => stop.request());
  options.log?.onEnd(() => stop.request());
  try {
    const feed = await openFeed(stop);
    try {
      const stream = new Stream(world, options, feed.info, sink);
      await feed.follow(stop, logged(stream, options.log ?? null));
      stream.warn();
      if (feed.failure === null && feed.notice !== "") {
        world.stderr.write(`warning: ${sanitise(feed.notice)}\n`, () => {});
      }
    } finally {
      feed.close();
    }
    const isFlushed = await flush(sink, stop);
    const failure = sink.error ?? feed.failure;
    if (failure) throw failure;
    return isFlushed;
  } finally {
    stopListening();
  }
}

/** Captures and streams (`streamFeed`). Ends when recording fails. Throws ExitError as the platform does. */
export function run(world: World, options: RunOptions): Promise<boolean> {
  return streamFeed(world, options, (stop) => {
    const live = new Live(world, options);
    live.onFailure(() => stop.request());
    return live;
  });
}
