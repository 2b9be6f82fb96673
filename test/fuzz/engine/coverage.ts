/** Which parts of the sources have run, as V8 counts the runs of each block. */
import { type Profiler, Session } from "node:inspector";

/** Characters of each script that have run, 1 each. */
export type Marks = Map<string, Uint8Array>;

function mark(functions: readonly Profiler.FunctionCoverage[]): Uint8Array {
  const end = functions.reduce((most, { ranges }) => Math.max(most, ranges[0]?.endOffset ?? 0), 0);
  const marks = new Uint8Array(end);
  // Outer ranges come before the inner ones that say otherwise.
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      marks.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
  }
  return marks;
}

/** How many marks of `now` are not in `ever`, where they are added. */
function merge(now: Marks, ever: Marks): number {
  let added = 0;
  for (const [url, marks] of now) {
    let known = ever.get(url) ?? new Uint8Array();
    if (known.length < marks.length) {
      const longer = new Uint8Array(marks.length);
      longer.set(known);
      known = longer;
      ever.set(url, known);
    }
    for (let i = 0; i < marks.length; i++) {
      if (marks[i] === 1 && known[i] === 0) {
        known[i] = 1;
        added++;
      }
    }
  }
  return added;
}

/** Whether all of `part` is in `marks`. */
export function includes(marks: Marks, part: Marks): boolean {
  return [...part].every(([url, wanted]) => {
    const has = marks.get(url);
    return wanted.every((mark, i) => mark === 0 || has?.[i] === 1);
  });
}

export class Coverage {
  readonly #session = new Session();
  readonly #isCounted: (url: string) => boolean;
  readonly #ever: Marks = new Map();
  #characters = 0;

  /** `isCounted`: whether the script of this URL is under test. */
  constructor(isCounted: (url: string) => boolean) {
    this.#isCounted = isCounted;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Characters of source that have run so far. */
  get characters(): number {
    return this.#characters;
  }

  /** What has run since the last call. */
  take(): Marks {
    let result: readonly Profiler.ScriptCoverage[] = [];
    // A session in the same thread answers before post() returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error) throw error;
      result = answer.result;
    });
    return new Map(
      result
        .filter(({ url, functions }) => functions.length > 0 && this.#isCounted(url))
        .map(({ url, functions }) => [url, mark(functions)]),
    );
  }

  /** Adds what has run; whether any of it had never run before. */
  keep(marks: Marks): boolean {
    const added = merge(marks, this.#ever);
    this.#characters += added;
    return added > 0;
  }

  /** Whether `marks` hold what has never run before, without adding it. */
  isNew(marks: Marks): boolean {
    return this.without(marks) !== null;
  }

  /** The part of `marks` that has never run before, null if there is none. */
  without(marks: Marks): Marks | null {
    const part: Marks = new Map();
    for (const [url, now] of marks) {
      const known = this.#ever.get(url);
      const fresh = now.map((ran, i) => (ran === 1 && known?.[i] !== 1 ? 1 : 0));
      if (fresh.includes(1)) part.set(url, fresh);
    }
    return part.size === 0 ? null : part;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
