/** What the screen has of the lenses that are on. */
import type { Figures, Reading } from "../core/figures.ts";
import type { ShownLens } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { DescribeProcess } from "../core/view.ts";
import type { Choices, Views } from "../view/state.ts";

/** Their views and switches. Throws where there is no view. */
export function choicesOf(lenses: readonly ShownLens[]): Pick<Choices, "views" | "switches"> {
  const [first, ...others] = lenses.flatMap(({ views }) => views);
  if (first === undefined) throw new Error("no lens has a view");
  const views: Views = [first, ...others];
  const switches = lenses.flatMap(({ id, switches }) => switches.map((one) => ({ ...one, lens: id })));
  return { views, switches };
}

/** What the first lens says that knows the process; else what `others` says. */
export function describeBy(
  lenses: readonly ShownLens[],
  refresh: Refresh,
  others: DescribeProcess,
): DescribeProcess {
  return (process) => {
    for (const lens of lenses) {
      const facts = lens.describe?.(process, refresh) ?? null;
      if (facts !== null) return facts;
    }
    return others(process);
  };
}

/** The filter of the command line as options; lenses may share some of them. */
export function filterOptionsOf(lenses: readonly ShownLens[]): string {
  return [...new Set(lenses.map(({ filterOptions }) => filterOptions).filter(Boolean))].join(" ");
}

/** The figures of each lens, which stand still while the screen is paused. */
export class ScreenFigures {
  readonly #lenses: readonly ShownLens[];
  #now: readonly Figures[];
  #still: readonly Reading[] | null = null;

  constructor(lenses: readonly ShownLens[]) {
    this.#lenses = lenses;
    this.#now = this.#begin("");
  }

  /** Takes in a refresh; every one, in order. */
  record(refresh: Refresh): void {
    for (const figures of this.#now) figures.record(refresh);
  }

  /** Forgets all refreshes. `words`: the filter of the screen. */
  rewind(words: string): void {
    this.#now = this.#begin(words);
  }

  /** Whether the figures stay as they are now, whatever is recorded. */
  pause(isPaused: boolean): void {
    this.#still = isPaused ? (this.#still ?? this.#now.map((figures) => figures.freeze())) : null;
  }

  /** Those of the lens that a view is of. */
  of(view: string): Reading {
    const index = this.#lenses.findIndex(({ views }) => views.some(({ id }) => id === view));
    const reading = this.#shown[index];
    if (reading === undefined) throw new Error(`no lens has the view ${view}`);
    return reading;
  }

  /** What is missing, in words, of each lens. */
  get losses(): string[] {
    return this.#shown.map(({ losses }) => losses);
  }

  get #shown(): readonly Reading[] {
    return this.#still ?? this.#now;
  }

  #begin(words: string): Figures[] {
    return this.#lenses.map((lens) => lens.figures(words));
  }
}
