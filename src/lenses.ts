/** The lenses that there are. No other file names them. */
import type { Lens } from "./core/lens.ts";
import { type LossCounter, STREAM_COUNTERS } from "./core/losses.ts";
import { flows } from "./lenses/flows/lens.ts";

export type { TableSizes } from "./lenses/flows/bounds.ts";
export { type FlowForm as RecordForm, formOf } from "./lenses/flows/form.ts";
export type { FlowRecorder as Recorder } from "./lenses/flows/intake.ts";
export { ABI as WIRE_VERSION } from "./lenses/flows/layout.gen.ts";
export type { Losses } from "./lenses/flows/losses.ts";
export type { FlowOperation as ModelOperation } from "./lenses/flows/operation.ts";
export { decodeOperations, type Operation, OperationWriter } from "./lenses/flows/operations.ts";

/** In the order of the outputs: a lens stands behind those that it needs. */
export const LENSES: readonly [Lens, ...Lens[]] = [flows];

/** Every counter of what could not be counted, was late or was not written. */
export const LOSS_COUNTERS: readonly LossCounter[] = [
  ...LENSES.flatMap(({ lossCounters }) => lossCounters),
  ...STREAM_COUNTERS,
];
