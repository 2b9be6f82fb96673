/** Runs with the stream on standard output. */
import { sanitise } from "../base/sanitise.ts";
import type { Sink } from "../core/sink.ts";
import type { Selection } from "../lenses/flows/events.ts";
import type { Refresh } from "../lenses.ts";
import { FanOut } from "../sinks/fan-out.ts";
import type { Output } from "../sinks/output.ts";
import { Stream } from "../sinks/stream.ts";
import { TextWriter } from "../sinks/text-writer.ts";
import type { Feed } from "./feed.ts";
import { Live, type LiveOptions } from "./live.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface StreamFeedOptions {
  readonly output: Output;
  readonly selection: Selection;
  /** What gets the refreshes besides the stream. */
  readonly sinks?: readonly Sink<Refresh>[];
}

export type RunOptions = LiveOptions & StreamFeedOptions;

const STDOUT_FD = 1;

/** The longest time that an idle reader delays the end. */
const FLUSH_GRACE_MS = 2000;

/** Waits for a slow reader, after a request to end only a short time. False if text was left unwritten. */
async function flush(writer: TextWriter, stop: Stop): Promise<boolean> {
  if (stop.requests === 0) await stop.orNext(writer.flushed());
  if (!writer.isIdle) await stop.orNext(writer.flushed(), FLUSH_GRACE_MS);
  return writer.isIdle;
}

/**
 * Streams a feed until its end, a request to end, the end of a sink, or until the reader goes away. Resolves to
 * whether all text was written. Throws the feed's failure, and ExitError 74 when writing failed. Always closes the feed.
 */
export async function streamFeed<F extends Feed>(
  world: World,
  options: StreamFeedOptions,
  openFeed: (stop: Stop) => F | Promise<F>,
): Promise<boolean> {
  const stop = new Stop(world);
  const writer = new TextWriter(world.stdout, "standard output");
  const { sinks = [], output, selection } = options;
  const hasReader = () => world.platform.hasReader(STDOUT_FD);
  const warn = (text: string) => {
    if (text !== "") world.stderr.write(text, () => {});
  };
  const stopListening = world.onStop(() => stop.request());
  for (const source of [writer, ...sinks]) source.onEnd?.(() => stop.request());
  try {
    const feed = await openFeed(stop);
    try {
      const stream = new Stream(writer, feed.info, { output, selection, hasReader });
      await feed.follow(stop, new FanOut([...sinks, stream]));
      warn(stream.lossWarning());
      if (feed.failure === null) warn(feed.notice && `warning: ${sanitise(feed.notice)}\n`);
    } finally {
      feed.close();
    }
    const isFlushed = await flush(writer, stop);
    const failure = writer.error ?? feed.failure;
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
