/** The way from a capture of processes to their model: each operation is recorded, then applied. */
import type { Clock, Moment } from "../../base/clock.ts";
import type { Intake } from "../../core/lens.ts";
import type { Losses } from "./losses.ts";
import { ProcessModel } from "./model.ts";
import type { ProcessOperation } from "./operation.ts";
import type { ProcessRecorder } from "./recorder.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ProcessSource } from "./source.ts";

/** All processes are reported this often: one whose end nobody has seen is over then. */
const CHECK_INTERVAL_NS = 60e9;

/** Nothing else has the model of a capture: what is not recorded cannot reach it. */
export class ProcessIntake implements Intake {
  readonly #source: ProcessSource;
  readonly #recorder: ProcessRecorder | null;
  readonly #clock: Clock;
  readonly #model: ProcessModel;
  /** What `seed` has read, for `begin`. */
  #seed: Uint8Array | null = null;
  #checkedNs: number;
  /** When a walk over all began whose missing processes are still to be ended; null: none. */
  #uncheckedNs: number | null = null;
  /** Events that were lost up to the last check. */
  #checkedLosses = 0;

  constructor(source: ProcessSource, recorder: ProcessRecorder | null, clock: Clock, startNs: number) {
    this.#source = source;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#checkedNs = startNs;
    this.#model = new ProcessModel({ startNs });
  }

  async seed(): Promise<void> {
    this.#seed = await this.#source.seed();
  }

  begin(): void {
    if (this.#seed !== null) this.#takeRecords(this.#seed);
    this.#seed = null;
    for (const process of [...this.#model.unread()]) {
      const read = this.#source.readArguments(process);
      if (read !== null) this.#take({ kind: "arguments", ...read });
    }
  }

  drain(): void {
    this.#source.drain(this.#takeRecords);
  }

  get isCrowded(): boolean {
    return this.#model.isCrowded;
  }

  /**
   * A process that ends during a walk over all is missed by it, and its end may not be in the ring yet: who was missed is
   * over only behind the events of the next refresh.
   */
  collect(): void {
    const sinceNs = this.#clock.monotonicNs();
    this.drain();
    if (this.#uncheckedNs !== null) {
      this.#take({ kind: "silent", sinceNs: this.#uncheckedNs, nowNs: sinceNs });
      this.#uncheckedNs = null;
    }
    const { forksLost, execsLost, exitsLost } = this.#source.losses();
    const lost = forksLost + execsLost + exitsLost;
    const isCheck = lost > this.#checkedLosses || sinceNs - this.#checkedNs > CHECK_INTERVAL_NS;
    this.#source.walk(this.#takeRecords, isCheck);
    if (!isCheck) return;
    this.#checkedLosses = lost;
    this.#checkedNs = sinceNs;
    this.#uncheckedNs = sinceNs;
  }

  refresh(at: Moment): Snapshot {
    const losses: Losses = {
      ...this.#source.losses(),
      processRecordsInvalid: this.#model.recordsInvalid,
      ancestorsForgotten: this.#model.ancestorsForgotten,
    };
    const snapshot = this.#model.refresh(at.nowNs, losses);
    this.#recorder?.refresh(at, losses);
    return snapshot;
  }

  readAhead(): void {}

  turn(): void {}

  readonly #take = (operation: ProcessOperation): void => {
    this.#recorder?.write(operation);
    this.#model.apply(operation);
  };

  readonly #takeRecords = (bytes: Uint8Array): void => this.#take({ kind: "records", bytes });
}
