/** The forms of the stream: each makes text of the same inputs, and a sink writes the text. */
import type { Moment } from "../base/clock.ts";
import { type Loss, lossesOf, type Skipped, STREAM_COUNTERS } from "../core/losses.ts";
import type { Table, TableEvent } from "../core/table.ts";
import type { Privileges, StepDown } from "../platform/platform.ts";

export const FORMATS = ["text", "json", "csv"] as const;
export type Format = (typeof FORMATS)[number];

/** The facts of a capture that runs and has read what was there before. */
export interface StartInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
  /** What a lens knows of its capture, by its id. */
  readonly facts: ReadonlyMap<string, object>;
  /** Absent or null: not known. */
  readonly privileges?: Privileges | null;
}

/** What a lens says at the end of a refresh. */
export interface LensSummary {
  readonly lens: string;
  readonly intervalS: number;
  readonly losses: readonly Loss[];
  /** Members of a line of JSON: of what the filter lets through, and of everything. */
  readonly shown: object;
  readonly everything: object;
}

/** A form of the stream. Each method returns whole lines, or nothing. */
export interface Output {
  start(info: StartInfo, at: Moment): string;
  /** Of one table, in the given order. */
  events(table: Table, events: readonly TableEvent[], at: Moment): string;
  /** Once a refresh, after its events: one of each lens that is on. */
  summary(lenses: readonly LensSummary[], skipped: Skipped, at: Moment): string;
  /** Losses that the form has no field for, as a text for standard error at the end; empty: none. */
  warning(lenses: readonly LensSummary[], skipped: Skipped, at: Moment): string;
}

/** What is missing of all lenses, and what the reader did not get. */
export function allLosses(lenses: readonly LensSummary[], skipped: Skipped): Loss[] {
  return [...lenses.flatMap(({ losses }) => losses), ...lossesOf(STREAM_COUNTERS, skipped)];
}

/** Members of a line of JSON. */
export function lossMembers(losses: readonly Loss[]): object {
  return Object.fromEntries(losses.map(({ counter, count }) => [counter.key, count]));
}

/** Lines that are in memory at once: some 200 kB of text. */
const EVENTS_PER_PIECE = 256;

/** The lines of events in pieces, each made when it is asked for. */
export function* eventPieces<Event>(
  events: Iterable<Event>,
  textOf: (events: readonly Event[]) => string,
): Generator<string> {
  let some: Event[] = [];
  for (const event of events) {
    if (some.push(event) < EVENTS_PER_PIECE) continue;
    yield textOf(some);
    some = [];
  }
  if (some.length > 0) yield textOf(some);
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
