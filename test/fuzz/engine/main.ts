/**
 * Fuzzes one target in a process of its own, which may die of it: `main.js REQUEST`, a JSON object; the
 * answer is one line of JSON. scripts/fuzz.mjs starts it.
 */
import { Buffer } from "node:buffer";
import { openSync, writeSync } from "node:fs";
import { readSeeds, replaceSeeds, writeSeed } from "./corpus.ts";
import { Coverage, includes } from "./coverage.ts";
import { Fuzzer, failureOf, reduce } from "./fuzzer.ts";
import { Random } from "./random.ts";
import type { Target } from "./target.ts";

interface Request {
  /** File URL of the target's module. */
  readonly module: string;
  /** What belongs to the project: URLs that begin so count as covered. */
  readonly sources: string;
  readonly seconds: number;
  readonly seed: number;
  /** Seeds of the tree; findings are added to them. */
  readonly corpus: string;
  /** Seeds of earlier runs on this machine; new ones are added. */
  readonly work: string;
  /** Is kept up to date: how many runs have begun (8 bytes, little-endian), and the input of the last. */
  readonly current: string;
  /** Instead of fuzzing: makes the seeds of the tree as few and small as their coverage allows. */
  readonly minimise: boolean;
}

const REDUCTIONS = { finding: 5000, seed: 300 } as const;

function inputNote(path: string): (bytes: Uint8Array) => void {
  const file = openSync(path, "w");
  const head = Buffer.alloc(12);
  let runs = 0n;
  return (bytes) => {
    head.writeBigUInt64LE(++runs, 0);
    head.writeUInt32LE(bytes.length, 8);
    writeSync(file, head, 0, head.length, 0);
    writeSync(file, bytes, 0, bytes.length, head.length);
  };
}

/** The seeds that are needed to reach all that all of them reach, each made smaller as long as it does its part. */
async function fewest(target: Target, inputs: readonly Uint8Array[], isCounted: (url: string) => boolean) {
  const coverage = new Coverage(isCounted);
  const kept: Uint8Array[] = [];
  // Once before: what only a first run does belongs to none of them.
  for (const bytes of inputs) await failureOf(target, bytes);
  coverage.take();
  for (const bytes of [...inputs].sort((a, b) => a.length - b.length)) {
    await failureOf(target, bytes);
    const part = coverage.without(coverage.take());
    if (part === null) continue;
    const small = await reduce(bytes, REDUCTIONS.seed, async (candidate) => {
      await failureOf(target, candidate);
      return includes(coverage.take(), part);
    });
    await failureOf(target, small);
    coverage.keep(coverage.take());
    kept.push(small);
  }
  coverage.stop();
  return kept;
}

async function main(request: Request): Promise<object> {
  const { target: given } = (await import(request.module)) as { readonly target: Target };
  const note = inputNote(request.current);
  const target: Target = {
    ...given,
    run(bytes) {
      note(bytes);
      return given.run(bytes);
    },
  };
  const isCounted = (url: string): boolean => url.startsWith(request.sources);
  const seeds = [...readSeeds(request.corpus), ...readSeeds(request.work)].map(({ bytes }) => bytes);
  if (request.minimise) {
    const kept = await fewest(target, seeds, isCounted);
    replaceSeeds(request.corpus, kept);
    return { seeds: kept.length };
  }
  const coverage = new Coverage(isCounted);
  const fuzzer = new Fuzzer({
    target,
    random: new Random(request.seed),
    coverage,
    seeds,
  });
  const end = performance.now() + request.seconds * 1000;
  const finding = (await fuzzer.replay()) ?? (await fuzzer.search(() => performance.now() >= end));
  const { runs } = fuzzer;
  const { characters } = coverage;
  coverage.stop();
  for (const bytes of fuzzer.corpus) writeSeed(request.work, bytes);
  const counts = { runs, corpus: fuzzer.corpus.length, characters };
  if (finding === null) return counts;
  const bytes = await reduce(
    finding.bytes,
    REDUCTIONS.finding,
    async (candidate) => (await failureOf(target, candidate)) !== null,
  );
  const error = (await failureOf(target, bytes))?.error ?? finding.error;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { ...counts, finding: { path: writeSeed(request.corpus, bytes, "finding-"), stack } };
}

process.stdout.write(`${JSON.stringify(await main(JSON.parse(process.argv[2] ?? "{}") as Request))}\n`);
