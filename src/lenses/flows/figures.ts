/** The figures above the table, and those of the graphs: of what is shown, and of the whole machine. */
import type { Connection } from "./connection.ts";
import type { Accept } from "./filter.ts";
import { History, type Series } from "./history.ts";
import { LossWatch } from "./loss-words.ts";
import { NONE_SKIPPED } from "./losses.ts";
import { isNew } from "./marks.ts";
import { both, matcher } from "./matcher.ts";
import type { Snapshot } from "./snapshot.ts";
import { type Sum, Sums } from "./sums.ts";

/** Refreshes that the header's graphs reach back. */
export const PAST_LENGTH = 60;

/** The sums of one filter as of one refresh. */
export interface Tally extends Sum {
  /** Connections that have come since the refresh before. */
  readonly fresh: number;
  /** Connections without a row: too many came and went since the refresh before. */
  readonly unlisted: number;
  /** Bytes a second in the last refreshes, the newest last. */
  readonly pastIn: readonly number[];
  readonly pastOut: readonly number[];
}

export interface Tallies {
  readonly shown: Tally;
  /** null: everything is shown. */
  readonly machine: Tally | null;
}

/** Figures as they are asked for. */
export interface Reading {
  /** What is missing, in words; empty: nothing. */
  readonly losses: string;
  /** The last refreshes of a connection. */
  seriesOf(key: number): Series;
  /**
   * `words`: the filter of the screen; one that has changed counts what is there in `snapshot`, of which
   * all filters let `passing` through.
   */
  talliesOf(words: string, snapshot: Snapshot, passing: readonly Connection[]): Tallies;
}

const NOTHING: Tally = {
  totals: { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, rateIn: 0, rateOut: 0 },
  counts: { tcp: 0, udp: 0, byState: new Map() },
  fresh: 0,
  unlisted: 0,
  pastIn: [],
  pastOut: [],
};

class Tallier {
  readonly #accept: Accept | null;
  readonly #sums: Sums;
  now = NOTHING;

  constructor(accept: Accept | null) {
    this.#accept = accept;
    this.#sums = new Sums(accept);
  }

  add(snapshot: Snapshot): void {
    this.#append(snapshot, this.#sums.add(snapshot));
  }

  begin(snapshot: Snapshot, passing: readonly Connection[]): void {
    this.#append(snapshot, this.#sums.begin(snapshot, passing));
  }

  #append(snapshot: Snapshot, sum: Sum): void {
    const accept = this.#accept;
    const { pastIn, pastOut } = this.now;
    const append = (past: readonly number[], rate: number) => [...past, rate].slice(-PAST_LENGTH);
    this.now = {
      ...sum,
      fresh: snapshot.opened.filter((row) => isNew(row) && (accept === null || accept(row))).length,
      unlisted: this.#sums.unlisted,
      pastIn: append(pastIn, sum.totals.rateIn),
      pastOut: append(pastOut, sum.totals.rateOut),
    };
  }

  /** Stays as it is now. */
  freeze(): Tallier {
    const frozen = new Tallier(this.#accept);
    frozen.now = this.now;
    return frozen;
  }
}

export class Figures implements Reading {
  readonly #accept: Accept | null;
  #history = new History();
  #watch = new LossWatch();
  #machine = new Tallier(null);
  /** Of the command line's filter. */
  #accepted: Tallier | null;
  /** Of the filter of the screen, which is one more. */
  #words = "";
  #matching: Tallier | null = null;

  /** `accept`: the command line's filter; `words`: that of the screen. */
  constructor(accept: Accept | null, words = "") {
    this.#accept = accept;
    this.#accepted = accept === null ? null : new Tallier(accept);
    this.#setWords(words);
  }

  /** Takes in a refresh; work grows with the rows that changed. `wallMs`: milliseconds since 1970. */
  record(snapshot: Snapshot, wallMs: number): void {
    this.#history.record(snapshot);
    this.#watch.see(snapshot.losses, NONE_SKIPPED, wallMs);
    for (const tallier of [this.#machine, this.#accepted, this.#matching]) tallier?.add(snapshot);
  }

  get losses(): string {
    return this.#watch.text;
  }

  seriesOf(key: number): Series {
    return this.#history.seriesOf(key);
  }

  talliesOf(words: string, snapshot: Snapshot, passing: readonly Connection[]): Tallies {
    if (words !== this.#words) {
      this.#setWords(words);
      this.#matching?.begin(snapshot, passing);
    }
    const shown = this.#matching ?? this.#accepted;
    const machine = this.#machine.now;
    return shown === null ? { shown: machine, machine: null } : { shown: shown.now, machine };
  }

  /** The figures as they are now, whatever is recorded later. */
  freeze(): Reading {
    const frozen = new Figures(this.#accept, this.#words);
    frozen.#history = this.#history.copy();
    frozen.#watch = this.#watch.copy();
    frozen.#machine = this.#machine.freeze();
    frozen.#accepted = this.#accepted?.freeze() ?? null;
    frozen.#matching = this.#matching?.freeze() ?? null;
    return frozen;
  }

  #setWords(words: string): void {
    this.#words = words;
    const matches = matcher(words);
    this.#matching = matches && new Tallier(both(this.#accept, matches));
  }
}
