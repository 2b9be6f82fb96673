/** Runs with the stream on standard output. */
import { ExitCode, ExitError } from "../base/errors.ts";
import { sanitise } from "../base/sanitise.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Sink } from "../core/sink.ts";
import { FanOut } from "../sinks/fan-out.ts";
import { Stream, type StreamOptions } from "../sinks/stream.ts";
import { TextWriter } from "../sinks/text-writer.ts";
import type { Feed } from "./feed.ts";
import { Live, type LiveOptions } from "./live.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface StreamFeedOptions {
  readonly stream: Omit<StreamOptions, "hasReader">;
  /** What gets the refreshes besides the stream. */
  readonly sinks?: readonly Sink<Refresh>[];
}

export type RunOptions = LiveOptions & StreamFeedOptions;

const STDOUT_FD = 1;

/** How the stream ended. */
export interface Ending {
  /** All that failed: the stream (74), the feed, and what a slow reader did not take (74). The first has the exit code. */
  readonly failures: readonly ExitError[];
  /** Whether no text waits. If some does, the reader is idle and the program must not wait for it. */
  readonly isFlushed: boolean;
}

/** How long a request to end waits for a slow reader, and then for the lines under way and the last summary. */
const FLUSH_GRACE_MS = 2000;
const SUMMARY_GRACE_MS = 1000;

function unwrittenError(events: number): ExitError {
  const what = events === 0 ? "the last lines" : `${events} ${events === 1 ? "event" : "events"}`;
  const message = `${what} not written to standard output, the reader was too slow`;
  return new ExitError(ExitCode.ioError, message);
}

/** Waits for a slow reader, after a request to end only a short time. ExitError 74 where text was given up. */
async function flush(writer: TextWriter, stream: Stream, stop: Stop): Promise<ExitError | null> {
  if (stop.requests === 0) await stop.orNext(writer.flushed());
  const { requests } = stop;
  if (!writer.isIdle) await stop.orNext(writer.flushed(), FLUSH_GRACE_MS);
  if (writer.isIdle) return null;
  const dropped = stream.cutShort();
  if (stop.requests === requests) await stop.orNext(writer.flushed(), SUMMARY_GRACE_MS);
  if (writer.hasEnded || (writer.isIdle && dropped === 0)) return null;
  return unwrittenError(writer.isIdle ? dropped : dropped + stream.unwritten);
}

/**
 * Streams a feed until its end, a request to end, the end of a sink, or until the reader goes away. Throws what opening
 * and following the feed throws. Always closes the feed.
 */
export async function streamFeed<F extends Feed>(
  world: World,
  options: StreamFeedOptions,
  openFeed: (stop: Stop) => F | Promise<F>,
): Promise<Ending> {
  const stop = new Stop(world);
  const writer = new TextWriter(world.stdout, "standard output");
  const { sinks = [] } = options;
  const hasReader = () => world.platform.hasReader(STDOUT_FD);
  const warn = (text: string) => {
    if (text !== "") world.stderr.write(text, () => {});
  };
  const stopListening = world.onStop(() => stop.request());
  for (const source of [writer, ...sinks]) source.onEnd?.(() => stop.request());
  try {
    const feed = await openFeed(stop);
    const stream = new Stream(writer, feed.info, { ...options.stream, hasReader });
    try {
      await feed.follow(stop, new FanOut([...sinks, stream]));
      warn(stream.lossWarning());
      if (feed.failure === null) warn(feed.notice && `warning: ${sanitise(feed.notice)}\n`);
    } finally {
      feed.close();
    }
    const unwritten = await flush(writer, stream, stop);
    const failures = [writer.error, feed.failure, unwritten].filter((failure) => failure !== null);
    return { failures, isFlushed: writer.isIdle };
  } finally {
    stopListening();
  }
}

/** Captures and streams (`streamFeed`). Ends when recording fails. Throws ExitError as the platform does. */
export function run(world: World, options: RunOptions): Promise<Ending> {
  return streamFeed(world, options, (stop) => {
    const live = new Live(world, options);
    live.onFailure(() => stop.request());
    return live;
  });
}
