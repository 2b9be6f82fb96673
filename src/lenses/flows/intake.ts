/** The way from a capture of flows to their model: each operation is recorded, then applied. */
import type { Clock, Moment } from "../../base/clock.ts";
import type { Intake } from "../../core/lens.ts";
import { Ghosts } from "./ghosts.ts";
import { FlowModel } from "./model/model.ts";
import type { FlowOperation } from "./operation.ts";
import type { Seed } from "./record.ts";
import type { FlowRecorder } from "./recorder.ts";
import type { Snapshot } from "./snapshot.ts";
import type { FlowSource } from "./source.ts";

export interface IntakeOptions {
  /** A UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
  /** Also the sockets that carry no flow: listening, TIME_WAIT. */
  readonly all: boolean;
}

/** What gets all that reaches the model. */
type Recorder = Pick<FlowRecorder, "write" | "refresh">;

/** Nothing else has the model of a capture: what is not recorded cannot reach it. */
export class FlowIntake implements Intake {
  readonly #source: FlowSource;
  readonly #recorder: Recorder | null;
  readonly #clock: Clock;
  readonly #model: FlowModel;
  readonly #ghosts: Ghosts;
  #all: boolean;
  /** What `seed` has read, for `begin`. */
  #seed: Seed | null = null;
  #readsSockets = false;
  #socketsFailure: { readonly error: unknown } | null = null;

  constructor(source: FlowSource, recorder: Recorder | null, clock: Clock, options: IntakeOptions) {
    this.#source = source;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#all = options.all;
    this.#model = new FlowModel(options);
    this.#ghosts = new Ghosts(source, () => this.#model.unmet(), this.#take, clock);
  }

  /** Reads the existing connections. */
  async seed(): Promise<void> {
    this.#seed = await this.#source.seed();
  }

  begin(): void {
    const entries = this.#seed?.entries ?? [];
    this.#seed = null;
    this.#take({ kind: "seed", entries, nowNs: this.#clock.monotonicNs() });
    if (this.#all) this.#take({ kind: "sockets", entries });
  }

  /** Empties the ring buffer. */
  drain(): void {
    this.#source.drain(this.#takeRecords);
  }

  get isCrowded(): boolean {
    return this.#model.isCrowded;
  }

  collect(): void {
    if (this.#socketsFailure) throw this.#socketsFailure.error;
    this.drain();
    this.#ghosts.sweep(this.#takeRecords);
  }

  refresh(at: Moment): Snapshot {
    const counted = this.#source.losses();
    const losses = { ...counted, recordsInvalid: counted.recordsInvalid + this.#model.recordsInvalid };
    const snapshot = this.#model.refresh(at.nowNs, losses);
    this.#recorder?.refresh(at, losses);
    this.#ghosts.refreshed(losses.closesLost);
    return snapshot;
  }

  readAhead(): void {
    if (this.#all) this.#readSockets();
  }

  /** The one switch: shows the sockets that carry no flow from the next refresh on, or no more. */
  turn(_: string, isOn: boolean): void {
    this.#all = isOn;
    if (isOn) this.#readSockets();
    else this.#take({ kind: "sockets", entries: [] });
  }

  /** Only one read runs at a time. */
  #readSockets(): void {
    if (this.#readsSockets) return;
    this.#readsSockets = true;
    this.#source
      .sockets()
      .then(({ entries }) => {
        if (this.#all) this.#take({ kind: "sockets", entries });
      })
      .catch((error: unknown) => {
        this.#socketsFailure = { error };
      })
      .finally(() => {
        this.#readsSockets = false;
      });
  }

  readonly #take = (operation: FlowOperation): void => {
    this.#recorder?.write(operation);
    this.#model.apply(operation);
  };

  readonly #takeRecords = (bytes: Uint8Array): void => this.#take({ kind: "records", bytes });
}
