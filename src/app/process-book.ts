/** What is known of the processes on the screen. */
import type { ProcessFacts } from "../model/process.ts";
import type { Platform } from "../platform/platform.ts";

/** Asks once a refresh, and only for those that are shown; what was known of one that has ended stays while it is shown. */
export class ProcessBook {
  readonly #platform: Pick<Platform, "describeProcess">;
  #known = new Map<number, ProcessFacts | null>();
  #before: ReadonlyMap<number, ProcessFacts | null> = new Map();

  constructor(platform: Pick<Platform, "describeProcess">) {
    this.#platform = platform;
  }

  /** A refresh has come. */
  turn(): void {
    this.#before = this.#known;
    this.#known = new Map();
  }

  readonly describe = (pid: number): ProcessFacts | null => {
    const known = this.#known.get(pid);
    if (known !== undefined) return known;
    const facts = this.#platform.describeProcess(pid) ?? this.#before.get(pid) ?? null;
    this.#known.set(pid, facts);
    return facts;
  };
}
