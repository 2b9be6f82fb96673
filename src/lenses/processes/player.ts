/** Plays the processes of a recording. */
import type { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { Moment } from "../../base/clock.ts";
import { NewerError } from "../../base/errors.ts";
import type { LensPlayer, RecordedForm, RecordedLens } from "../../core/recording.ts";
import { ABI, LENS, RECORD, RECORD_FIELDS } from "./layout.gen.ts";
import { LOSS_NAMES, type Losses, NO_LOSSES } from "./losses.ts";
import { ProcessModel } from "./model.ts";
import { readOperation } from "./operations.ts";
import type { Snapshot } from "./snapshot.ts";

export const PROCESSES_FORM: RecordedForm = {
  number: LENS,
  id: "processes",
  abi: ABI,
  schema: { record: { size: RECORD.size, fields: RECORD_FIELDS }, losses: LOSS_NAMES },
};

/** The counters of a recording. Throws NewerError for records of another form: there is only one so far. */
function lossNamesOf({ abi, schema }: RecordedLens): readonly string[] {
  const names = schema?.["losses"];
  if (abi !== ABI || !isDeepStrictEqual(schema?.["record"], PROCESSES_FORM.schema["record"]))
    throw new NewerError("the records of processes have another form");
  if (!Array.isArray(names) || names.length > 64 || names.some((name) => typeof name !== "string"))
    throw new NewerError("the loss counters of processes have another form");
  return names as string[];
}

export class ProcessPlayer implements LensPlayer {
  readonly facts = {};
  readonly #model: ProcessModel;
  readonly #lossNames: readonly string[];
  #losses: Losses = NO_LOSSES;

  /** `recorded`: null for a recording without processes. Throws NewerError. */
  constructor(recorded: RecordedLens | null) {
    this.#lossNames = recorded === null ? [] : lossNamesOf(recorded);
    const isLittleEndian = recorded?.isLittleEndian ?? true;
    this.#model = new ProcessModel({ startNs: recorded?.startNs ?? 0, isLittleEndian });
  }

  apply(code: number, bytes: Buffer): boolean {
    const operation = readOperation(code, bytes, this.#lossNames);
    if (operation === null) return false;
    if (operation.kind === "losses") this.#losses = operation.losses;
    else this.#model.apply(operation);
    return true;
  }

  refresh({ nowNs }: Moment): Snapshot {
    return this.#model.refresh(nowNs, this.#losses);
  }

  get size(): number {
    return this.#model.size;
  }

  turn(): void {}
}
