/** The forms of the stream: each makes text of the same inputs, and a sink writes the text. */
import type { Moment } from "../base/clock.ts";
import type { TableSizes } from "../lenses/flows/bounds.ts";
import type { ConnectionEvent } from "../lenses/flows/events.ts";
import { LOSS_COUNTERS, type Losses, type Skipped } from "../lenses/flows/losses.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import type { Sum } from "../lenses/flows/sums.ts";
import type { StepDown } from "../platform/platform.ts";

export const FORMATS = ["text", "json", "csv"] as const;
export type Format = (typeof FORMATS)[number];

/** The facts of a capture that runs and has read the existing connections. */
export interface StartInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
}

/** A form of the stream. Each method returns whole lines, or nothing. */
export interface Output {
  start(info: StartInfo, at: Moment): string;
  /** In the given order. */
  events(events: readonly ConnectionEvent[], at: Moment): string;
  /** Once a refresh, after its events. `shown`: sums over what the filter lets through; absent: over everything. */
  summary(snapshot: Snapshot, skipped: Skipped, at: Moment, shown?: Sum): string;
  /** Losses that the form has no field for, as a text for standard error at the end; empty: none. */
  warning(losses: Losses, skipped: Skipped, at: Moment): string;
}

/** Every counter of what could not be counted, was late or was not written, by the name users see. */
export function lossCounters(losses: Losses, skipped: Skipped): [key: string, count: number][] {
  return LOSS_COUNTERS.map(({ key, read }) => [key, read(losses, skipped)]);
}

/** Lines that are in memory at once: some 200 kB of text. */
const EVENTS_PER_PIECE = 256;

/** The lines of events in pieces, each made when it is asked for. */
export function* eventPieces(
  output: Output,
  events: Iterable<ConnectionEvent>,
  at: Moment,
): Generator<string> {
  let some: ConnectionEvent[] = [];
  for (const event of events) {
    if (some.push(event) < EVENTS_PER_PIECE) continue;
    yield output.events(some, at);
    some = [];
  }
  if (some.length > 0) yield output.events(some, at);
}

/** PIPE_BUF: a write of so much to a pipe is written as a whole or not at all (pipe(7)). */
const ATOMIC_BYTES = 4096;

/** Lines that are written at once. */
export interface Lines {
  readonly text: string;
  readonly count: number;
}

export function isAtomic(text: string): boolean {
  return Buffer.byteLength(text) <= ATOMIC_BYTES;
}

/** Whole lines in parts that a pipe takes as a whole; a longer line stands alone. */
export function* atomicLines(text: string): Generator<Lines> {
  for (let start = 0; start < text.length; ) {
    let end = start;
    let count = 0;
    let bytes = 0;
    while (end < text.length) {
      const next = text.indexOf("\n", end) + 1 || text.length;
      bytes += Buffer.byteLength(text.slice(end, next));
      if (count > 0 && bytes > ATOMIC_BYTES) break;
      end = next;
      count++;
    }
    yield { text: text.slice(start, end), count };
    start = end;
  }
}

/** ISO 8601, UTC, milliseconds. */
export function isoTime({ wallMs }: Moment): string {
  return new Date(wallMs).toISOString();
}
