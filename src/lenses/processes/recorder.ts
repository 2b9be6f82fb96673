/** Records the operations of processes. */
import type { Moment } from "../../base/clock.ts";
import { type LensRecorder, recordLosses } from "../../core/recording.ts";
import { LOSS_NAMES, type Losses } from "./losses.ts";
import type { ProcessOperation } from "./operation.ts";
import { OpCode } from "./operations.ts";

/** Gets all that reaches the model, in the same order. */
export class ProcessRecorder {
  readonly #recorder: LensRecorder;

  constructor(recorder: LensRecorder) {
    this.#recorder = recorder;
  }

  write(operation: ProcessOperation): void {
    switch (operation.kind) {
      case "records":
        this.#recorder.operation(OpCode.records, operation.bytes.length, (to) => to.raw(operation.bytes));
        break;
      case "arguments": {
        const text = Buffer.from(operation.words.join("\0"));
        this.#recorder.operation(OpCode.arguments, 14 + text.length, (to) => {
          to.u32(operation.pid);
          to.f64(operation.startNs);
          to.u8(Number(operation.isCut));
          to.u8(Number(operation.words.length > 0));
          to.raw(text);
        });
        break;
      }
      case "silent":
        this.#recorder.operation(OpCode.silent, 16, (to) => {
          to.f64(operation.nowNs);
          to.f64(operation.sinceNs);
        });
        break;
    }
  }

  /** Ends a refresh. */
  refresh(at: Moment, losses: Losses): void {
    recordLosses(this.#recorder, OpCode.losses, at, LOSS_NAMES, losses);
  }
}
