/** The lenses that there are. No other file names them. */
import type { Lens } from "./core/lens.ts";
import { type LossCounter, STREAM_COUNTERS } from "./core/losses.ts";
import { flows } from "./lenses/flows/lens.ts";
import { processes } from "./lenses/processes/lens.ts";

/** In the order of the outputs: a lens stands behind those that it needs. */
export const LENSES: readonly [Lens, ...Lens[]] = [flows, processes];

/** Every counter of what could not be counted, was late or was not written. */
export const LOSS_COUNTERS: readonly LossCounter[] = [
  ...LENSES.flatMap(({ lossCounters }) => lossCounters),
  ...STREAM_COUNTERS,
];
