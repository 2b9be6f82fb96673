/** The loss counters of flows and their meanings, for every output. */
import { type LossKey as LossKeyOf, type LossKind, lossCounters } from "../../core/losses.ts";

/**
 * Counters of a capture. Those of the kernel side have the names of `struct flows_losses`. New counters are added at
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

type LossName = keyof typeof CAPTURE;

/** What a capture could not count, or not in time; each only grows. */
export type Losses = Readonly<Record<LossName, number>>;

/** null: the recording does not have the counter. */
export type RecordedLosses = Readonly<Record<LossName, number | null>>;

/** In the order of the outputs. */
export const FLOW_COUNTERS = lossCounters(CAPTURE);

export const LOSS_NAMES: readonly (keyof Losses)[] = FLOW_COUNTERS.map(({ name }) => name);

export const NO_LOSSES = Object.fromEntries(LOSS_NAMES.map((name) => [name, 0])) as Losses;

/** A counter's name in JSON and messages: `flows_untracked`. */
export type LossKey = LossKeyOf<keyof Losses>;
