/** What is known of the processes on the screen. */
import type { ProcessFacts, ProcessId } from "../core/process.ts";
import type { Platform } from "../platform/platform.ts";

/** Reads the facts of the processes on the screen once a refresh. A process that has ended keeps its facts while shown. */
export class ProcessBook {
  readonly #platform: Pick<Platform, "describeProcess">;
  #known = new Map<string, ProcessFacts | null>();
  #before: ReadonlyMap<string, ProcessFacts | null> = new Map();

  constructor(platform: Pick<Platform, "describeProcess">) {
    this.#platform = platform;
  }

  /** Begins a refresh. */
  turn(): void {
    this.#before = this.#known;
    this.#known = new Map();
  }

  readonly describe = (process: ProcessId): ProcessFacts | null => {
    const name = `${process.pid} ${process.startNs}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const facts = this.#platform.describeProcess(process) ?? this.#before.get(name) ?? null;
    this.#known.set(name, facts);
    return facts;
  };
}
