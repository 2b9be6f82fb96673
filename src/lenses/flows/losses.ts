/** The loss counters and their meanings, for every output. */

interface LossKind {
  /** What it counts, for documents. */
  readonly counts: string;
  /**
   * What is missing from the figures, in words: a unit, which is `bytes` or a noun that takes an s, and the fate of
   * so many units. null: nothing is missing.
   */
  readonly missing: readonly [unit: string, fate: string] | null;
}

/**
 * Counters of a capture. Those of the kernel side have the names of `struct tcptop_losses`. New counters are added at
 * the end: recordings hold them in this order.
 */
const CAPTURE = {
  flowsUntracked: {
    counts: "flows that found the kernel's flow table full",
    missing: ["flow", "not shown, the kernel's flow table was full"],
  },
  bytesUntracked: {
    counts: "traffic of such flows, as far as it is known",
    missing: ["bytes", "in no row and no total"],
  },
  datagramsUntracked: {
    counts: "UDP datagrams that belong to no flow in the table",
    missing: ["datagram", "in no row and no total"],
  },
  recordsDeferred: {
    counts: "events that found no room in the ring buffer; the next refresh delivered what they said",
    missing: null,
  },
  closesLost: {
    counts: "final totals that found room nowhere",
    missing: ["connection", "ended without final totals"],
  },
  datagramsUncorrected: {
    counts: "failed UDP sends that could not be taken back",
    missing: ["failed UDP send", "counted as sent"],
  },
  recordsInvalid: {
    counts: "records that tcptop could not understand",
    missing: ["kernel record", "not understood"],
  },
  seedLinesSkipped: {
    counts: "lines of /proc/net that it could not read or understand",
    missing: ["line", "of /proc/net not read, sockets older than tcptop may be missing"],
  },
} as const satisfies Readonly<Record<string, LossKind>>;

/** Counters of a stream with a slow reader. */
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

/** What a capture could not count, or not in time; each only grows. */
export type Losses = Readonly<Record<keyof typeof CAPTURE, number>>;

/** What was not written because the reader was too slow; each only grows. */
export type Skipped = Readonly<Record<keyof typeof STREAM, number>>;

function namesOf<T extends object>(kinds: T): (keyof T)[] {
  return Object.keys(kinds) as (keyof T)[];
}

export const LOSS_NAMES: readonly (keyof Losses)[] = namesOf(CAPTURE);

function allZero<T extends string>(names: readonly T[]): Readonly<Record<T, number>> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;
}

export const NO_LOSSES: Losses = allZero(LOSS_NAMES);
export const NONE_SKIPPED: Skipped = allZero(namesOf(STREAM));

type Snake<Name extends string> = Name extends `${infer Letter}${infer Rest}`
  ? `${Letter extends Lowercase<Letter> ? Letter : `_${Lowercase<Letter>}`}${Snake<Rest>}`
  : "";

type LossName = keyof Losses | keyof Skipped;

/** A counter's name in JSON and messages: `flows_untracked`. */
export type LossKey = Snake<LossName>;

export function lossKey(name: LossName): LossKey {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as LossKey;
}

export interface LossCounter extends LossKind {
  /** In JSON. */
  readonly key: LossKey;
  read(losses: Losses, skipped: Skipped): number;
}

/** Every counter, in the order of the outputs. */
export const LOSS_COUNTERS: readonly LossCounter[] = [
  ...LOSS_NAMES.map(
    (name): LossCounter => ({ ...CAPTURE[name], key: lossKey(name), read: (losses) => losses[name] }),
  ),
  ...namesOf(STREAM).map(
    (name): LossCounter => ({ ...STREAM[name], key: lossKey(name), read: (_, skipped) => skipped[name] }),
  ),
];
