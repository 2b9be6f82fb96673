/** The bells of a recording. */
import type { Buffer } from "node:buffer";
import type { Moment } from "../../../src/base/clock.ts";
import type { LensPlayer, LensRecorder, LensRecording, RecordedLens } from "../../../src/core/recording.ts";
import { BELLS, BellModel, type BellOperation, type BellSnapshot, RECORD_BYTES } from "./model.ts";

const OpCode = { rings: 1, losses: 2 } as const;

/** Gets all that reaches the model, in the same order. */
export class BellRecorder {
  readonly #recorder: LensRecorder;

  constructor(recorder: LensRecorder) {
    this.#recorder = recorder;
  }

  write({ bytes }: BellOperation): void {
    this.#recorder.operation(OpCode.rings, bytes.length, (to) => to.raw(bytes));
  }

  refresh(at: Moment, ringsLost: number): void {
    this.#recorder.last(OpCode.losses, 4, at, (to) => to.u32(ringsLost));
  }
}

class BellPlayer implements LensPlayer {
  readonly facts: object;
  readonly #model: BellModel;
  #ringsLost = 0;

  constructor(recorded: RecordedLens | null) {
    this.facts = recorded?.facts ?? {};
    this.#model = new BellModel(recorded?.startNs ?? 0);
  }

  get size(): number {
    return this.#model.size;
  }

  apply(operation: number, bytes: Buffer): boolean {
    if (operation === OpCode.losses) this.#ringsLost = bytes.readUInt32LE(0);
    else if (operation === OpCode.rings) this.#model.apply({ kind: "rings", bytes: Uint8Array.from(bytes) });
    else return false;
    return true;
  }

  refresh({ nowNs }: Moment): BellSnapshot {
    return this.#model.refresh(nowNs, this.#ringsLost);
  }

  turn(): void {}
}

export const recording: LensRecording = {
  form: { number: 250, id: BELLS.lens, abi: 1, schema: { record: { size: RECORD_BYTES } } },
  player: (recorded) => new BellPlayer(recorded),
};
