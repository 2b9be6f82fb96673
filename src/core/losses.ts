/** What could not be counted, or not in time, and its words. */
import { formatBytes, formatTimeOfDay } from "../base/format.ts";

export interface LossKind {
  /** What it counts, for documents. */
  readonly counts: string;
  /**
   * What is missing from the figures, in words: a unit, which is `bytes` or a noun that takes an s, and the fate of
   * so many units. null: nothing is missing.
   */
  readonly missing: readonly [unit: string, fate: string] | null;
}

type Snake<Name extends string> = Name extends `${infer Letter}${infer Rest}`
  ? `${Letter extends Lowercase<Letter> ? Letter : `_${Lowercase<Letter>}`}${Snake<Rest>}`
  : "";

/** A counter's name in JSON and messages: `flowsUntracked` is `flows_untracked`. */
export type LossKey<Name extends string> = Snake<Name>;

export function lossKey<Name extends string>(name: Name): LossKey<Name> {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as LossKey<Name>;
}

/** A counter as documents describe it. */
export interface LossCounter extends LossKind {
  /** In JSON. */
  readonly key: string;
}

/** One that is kept under its name. */
export interface NamedCounter<Name extends string> extends LossCounter {
  readonly name: Name;
}

/** Counters by their names, in the order of the outputs. */
export function lossCounters<Name extends string>(
  kinds: Readonly<Record<Name, LossKind>>,
): readonly NamedCounter<Name>[] {
  const names = Object.keys(kinds) as Name[];
  return names.map((name) => ({ ...kinds[name], name, key: lossKey(name) }));
}

/** A counter at one refresh; it only grows. */
export interface Loss {
  readonly counter: LossCounter;
  /** null: the recording does not have it. */
  readonly count: number | null;
}

export function lossesOf<Name extends string>(
  counters: readonly NamedCounter<Name>[],
  counts: Readonly<Record<Name, number | null>>,
): Loss[] {
  return counters.map((counter) => ({ counter, count: counts[counter.name] }));
}

/** What a stream could not write in time because its reader was slow. */
const STREAM = {
  refreshesSkipped: {
    counts: "refreshes that were merged into a later one because the reader was slow",
    missing: null,
  },
  eventsSkipped: {
    counts: "events that found no room while they waited for a slow reader, or that waited for it at the end",
    missing: ["event", "not written, the reader was too slow"],
  },
} as const satisfies Readonly<Record<string, LossKind>>;

/** What was not written because the reader was too slow; each only grows. */
export type Skipped = Readonly<Record<keyof typeof STREAM, number>>;

export const STREAM_COUNTERS = lossCounters(STREAM);

export const NONE_SKIPPED: Skipped = { refreshesSkipped: 0, eventsSkipped: 0 };

function inWords(count: number, [unit, fate]: readonly [unit: string, fate: string]): string {
  const amount = unit === "bytes" ? formatBytes(count) : `${count} ${unit}${count === 1 ? "" : "s"}`;
  return `${amount} ${fate}`;
}

/** One phrase for each counter of something missing. Counters of something late have none. */
export function describeLosses(losses: readonly Loss[]): string[] {
  return losses.flatMap(({ counter: { missing }, count }) =>
    missing === null || count === null || count === 0 ? [] : [inWords(count, missing)],
  );
}

/** Remembers the time of the last loss. */
export class LossWatch {
  #words = "";
  #lastMs = 0;

  /** Takes in the losses of a refresh; `wallMs`: milliseconds since 1970. */
  see(losses: readonly Loss[], wallMs: number): void {
    const words = describeLosses(losses).join("; ");
    if (words === this.#words) return;
    this.#words = words;
    this.#lastMs = wallMs;
  }

  copy(): LossWatch {
    const copy = new LossWatch();
    copy.#words = this.#words;
    copy.#lastMs = this.#lastMs;
    return copy;
  }

  /** `incomplete, last at 12:04:32: 2 flows not shown, ...`; empty: nothing is missing. */
  get text(): string {
    return this.#words && `incomplete, last at ${formatTimeOfDay(this.#lastMs)}: ${this.#words}`;
  }
}
