/** The last refreshes of each connection that moves, in numbers, for its graphs. */
import type { Snapshot } from "./snapshot.ts";

/** Refreshes that a connection's graphs reach back; a minute at one a second. */
export const SERIES_LENGTH = 60;

/** Connections with a series of their own; those that begin to move later go without. */
const MOST_SERIES = 20_000;

/** One value a refresh, the newest last. */
export interface Series {
  readonly rateIn: readonly number[];
  readonly rateOut: readonly number[];
  /** Smoothed round-trip time in microseconds; the last one known, 0 before the first. */
  readonly rttUs: readonly number[];
}

interface Points {
  /** Number of the last refresh that is written. */
  refresh: number;
  readonly values: Float32Array;
}

const VALUES = 3;

/** Each value by itself: an array of them would be garbage for every row of every refresh. */
function put({ values }: Points, refresh: number, rateIn: number, rateOut: number, rttUs: number): void {
  const at = (refresh % SERIES_LENGTH) * VALUES;
  values[at] = rateIn;
  values[at + 1] = rateOut;
  values[at + 2] = rttUs;
}

export class History {
  readonly #series = new Map<number, Points>();
  #refresh = 0;

  /** Takes in a refresh. Work grows with the rows that changed. */
  record(snapshot: Snapshot): void {
    this.#refresh++;
    for (const rows of [snapshot.opened, snapshot.updated, snapshot.closed]) {
      for (const { key, rateIn, rateOut, tcp } of rows) this.#write(key, rateIn, rateOut, tcp?.srttUs ?? 0);
    }
    if (this.#refresh % SERIES_LENGTH === 0) this.#forgetSilent();
  }

  /** The last refreshes of a connection, none where it did not move. */
  seriesOf(key: number): Series {
    const points = this.#series.get(key);
    const length = Math.min(this.#refresh, SERIES_LENGTH);
    const read = (field: number): number[] =>
      Array.from({ length }, (_, i) => {
        const refresh = this.#refresh - length + 1 + i;
        if (points === undefined || refresh <= points.refresh - SERIES_LENGTH) return 0;
        const last = Math.min(refresh, points.refresh);
        if (field < 2 && last !== refresh) return 0;
        return points.values[(last % SERIES_LENGTH) * VALUES + field] ?? 0;
      });
    return { rateIn: read(0), rateOut: read(1), rttUs: read(2) };
  }

  copy(): History {
    const copy = new History();
    copy.#refresh = this.#refresh;
    for (const [key, { refresh, values }] of this.#series) {
      copy.#series.set(key, { refresh, values: values.slice() });
    }
    return copy;
  }

  #write(key: number, rateIn: number, rateOut: number, rttUs: number): void {
    const known = this.#series.get(key);
    if (known === undefined && (rateIn + rateOut === 0 || this.#series.size >= MOST_SERIES)) return;
    const points = known ?? { refresh: this.#refresh - 1, values: new Float32Array(SERIES_LENGTH * VALUES) };
    if (known === undefined) this.#series.set(key, points);
    const rttBefore = points.values[(points.refresh % SERIES_LENGTH) * VALUES + 2] ?? 0;
    const first = Math.max(points.refresh, this.#refresh - SERIES_LENGTH) + 1;
    for (let refresh = first; refresh < this.#refresh; refresh++) put(points, refresh, 0, 0, rttBefore);
    put(points, this.#refresh, rateIn, rateOut, rttUs);
    points.refresh = this.#refresh;
  }

  #forgetSilent(): void {
    for (const [key, { refresh }] of this.#series) {
      if (refresh <= this.#refresh - SERIES_LENGTH) this.#series.delete(key);
    }
  }
}
