/** The loss counters of processes and their meanings, for every output. */
import { type LossKind, lossCounters } from "../../core/losses.ts";

/**
 * Counters of a capture. Those of the kernel side have the names of `struct processes_losses`. New counters are added at
 * the end: recordings hold them in this order.
 */
const CAPTURE = {
  forksLost: {
    counts:
      "begins of processes that found no room in the ring buffer; those that live on are found by a walk",
    missing: ["process", "whose begin was not seen"],
  },
  execsLost: {
    counts: "programs that processes began to run and that found no room in the ring buffer",
    missing: ["program", "whose begin was not seen"],
  },
  exitsLost: {
    counts: "ends of processes that found no room in the ring buffer; a walk tells them without their status",
    missing: ["process", "whose end was not seen"],
  },
  filesLost: {
    counts: "opened files that found no room in the ring buffer",
    missing: ["file", "whose opening was not seen"],
  },
  cgroupsDeferred: {
    counts: "paths of control groups that found no room in the ring buffer; a later record brought them",
    missing: null,
  },
  processRecordsInvalid: {
    counts: "records of processes that tcptop could not understand",
    missing: ["record of a process", "not understood"],
  },
  ancestorsForgotten: {
    counts: "ended processes with living descendants that were forgotten, since too many had to be kept",
    missing: ["ancestor", "forgotten"],
  },
} as const satisfies Readonly<Record<string, LossKind>>;

/** What a capture could not tell, or not in time; each only grows. */
export type Losses = Readonly<Record<keyof typeof CAPTURE, number>>;

/** What the kernel side counts. */
export type KernelLosses = Omit<Losses, "processRecordsInvalid" | "ancestorsForgotten">;

/** In the order of the outputs. */
export const PROCESS_COUNTERS = lossCounters(CAPTURE);

export const LOSS_NAMES: readonly (keyof Losses)[] = PROCESS_COUNTERS.map(({ name }) => name);

export const NO_LOSSES = Object.fromEntries(LOSS_NAMES.map((name) => [name, 0])) as Losses;
