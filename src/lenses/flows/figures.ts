/** The figures above the table, and those of the graphs: of what is shown, and of the whole machine. */
import type { Figures as AnyFigures, Asked, Header } from "../../core/figures.ts";
import { type Loss, LossWatch, lossesOf } from "../../core/losses.ts";
import type { Refresh } from "../../core/refresh.ts";
import type { Connection } from "./connection.ts";
import type { Accept } from "./filter.ts";
import { figureLines } from "./header.ts";
import { History, type Series } from "./history.ts";
import { FLOW_COUNTERS } from "./losses.ts";
import { isNew } from "./marks.ts";
import { both, matcher } from "./matcher.ts";
import { FLOWS, type Snapshot } from "./snapshot.ts";
import { type Sum, Sums } from "./sums.ts";
import { PAST_LENGTH, type Tallies, type Tally } from "./tallies.ts";

/** All loss counters at a refresh. */
export function flowLosses({ losses }: Snapshot): Loss[] {
  return lossesOf(FLOW_COUNTERS, losses);
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

export class Figures implements AnyFigures<Connection, Series> {
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

  record(refresh: Refresh): void {
    const snapshot = FLOWS.of(refresh);
    this.#history.record(snapshot);
    this.#watch.see(flowLosses(snapshot), refresh.at.wallMs);
    for (const tallier of [this.#machine, this.#accepted, this.#matching]) tallier?.add(snapshot);
  }

  get losses(): string {
    return this.#watch.text;
  }

  pastOf({ key }: Connection): Series {
    return this.#history.seriesOf(key);
  }

  header(asked: Asked<Connection>): Header {
    const tallies = this.talliesOf(asked);
    const { unlisted } = tallies.shown;
    return {
      lines: (style, columns) => figureLines(tallies, style, columns),
      remark: unlisted === 0 ? "" : `, ${unlisted} brief ${unlisted === 1 ? "one" : "ones"} not listed`,
    };
  }

  /** A filter that has changed counts what is there now. */
  talliesOf({ words, refresh, passing }: Asked<Connection>): Tallies {
    if (words !== this.#words) {
      this.#setWords(words);
      this.#matching?.begin(FLOWS.of(refresh), passing);
    }
    const shown = this.#matching ?? this.#accepted;
    const machine = this.#machine.now;
    return shown === null ? { shown: machine, machine: null } : { shown: shown.now, machine };
  }

  freeze(): Figures {
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
