/** The loop: changes inputs, runs them, and keeps those that reach what no other has reached. */
import { Buffer } from "node:buffer";
import type { Coverage } from "./coverage.ts";
import { type Material, mutate } from "./mutate.ts";
import type { Random } from "./random.ts";
import { DEFAULT_MAX_BYTES, type Target } from "./target.ts";

/** An input that makes a target fail. */
export interface Finding {
  readonly bytes: Uint8Array;
  readonly error: unknown;
}

/** Inputs between two looks at the coverage: a look costs as much as some of them. */
const BATCH = 64;

/** What an input makes a target throw, null if nothing. */
export async function failureOf(target: Target, bytes: Uint8Array): Promise<{ error: unknown } | null> {
  try {
    // Awaiting what is no promise would cost more than most inputs do.
    const done = target.run(bytes);
    if (done !== undefined) await done;
    return null;
  } catch (error) {
    return { error };
  }
}

/** A smaller input of which `holds` is still true, found in some attempts by leaving out shorter and shorter pieces. */
export async function reduce(
  bytes: Uint8Array,
  attempts: number,
  holds: (candidate: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = bytes;
  let left = attempts;
  for (let length = smallest.length >> 1; length > 0; length >>= 1) {
    for (let at = 0; at < smallest.length && left > 0; left--) {
      const candidate = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + length)]);
      if (await holds(candidate)) smallest = candidate;
      else at += length;
    }
  }
  return smallest;
}

export interface FuzzerOptions {
  readonly target: Target;
  readonly random: Random;
  /** null: inputs are changed blindly. */
  readonly coverage: Coverage | null;
  readonly seeds: readonly Uint8Array[];
}

export class Fuzzer {
  /** Inputs that each reached something new; the seeds first. */
  readonly corpus: Uint8Array[] = [];
  runs = 0;
  readonly #options: FuzzerOptions;
  readonly #material: Material;

  constructor(options: FuzzerOptions) {
    const { dictionary = [], maxBytes = DEFAULT_MAX_BYTES } = options.target;
    this.#options = options;
    this.#material = { corpus: this.corpus, tokens: dictionary.map((text) => Buffer.from(text)), maxBytes };
  }

  /** Runs the seeds, the smallest first. Resolves to the first one that fails, null if none does. */
  async replay(): Promise<Finding | null> {
    const seeds = [...this.#options.seeds].sort((a, b) => a.length - b.length);
    for (const bytes of seeds) {
      const finding = await this.#try(bytes);
      if (finding !== null) return finding;
      const { coverage } = this.#options;
      if (coverage === null || coverage.keep(coverage.take())) this.corpus.push(bytes);
    }
    // Where V8 sees nothing, as in the addon, there is nothing to choose by.
    if (this.corpus.length === 0) this.corpus.push(...seeds);
    return null;
  }

  /** Runs changed inputs until `isOver`, asked after each batch, or until one fails. */
  async search(isOver: () => boolean): Promise<Finding | null> {
    while (!isOver()) {
      const batch = Array.from({ length: BATCH }, () => this.#next());
      for (const bytes of batch) {
        const finding = await this.#try(bytes);
        if (finding !== null) return finding;
      }
      await this.#learn(batch);
    }
    return null;
  }

  async #try(bytes: Uint8Array): Promise<Finding | null> {
    this.runs++;
    const failure = await failureOf(this.#options.target, bytes);
    return failure && { bytes, error: failure.error };
  }

  /** New inputs are tried more often than old ones. */
  #next(): Uint8Array {
    const { random } = this.#options;
    const { length } = this.corpus;
    const at = random.below(2) === 0 ? random.below(length) : length - 1 - random.below(Math.min(length, 16));
    return mutate(this.corpus[at] ?? new Uint8Array(), random, this.#material);
  }

  /** Looks which inputs of a batch reached something new: each runs again by itself. */
  async #learn(batch: readonly Uint8Array[]): Promise<void> {
    const { coverage, target } = this.#options;
    if (coverage === null) return;
    const marks = coverage.take();
    if (!coverage.isNew(marks)) return;
    for (const bytes of batch) {
      await failureOf(target, bytes);
      if (coverage.keep(coverage.take())) this.corpus.push(bytes);
    }
    // What none of them reaches again, such as the filling of a cache, must not look new for ever.
    coverage.keep(marks);
  }
}
