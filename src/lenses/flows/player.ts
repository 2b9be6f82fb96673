/** Plays the flows of a recording. */
import type { Buffer } from "node:buffer";
import type { Moment } from "../../base/clock.ts";
import type { LensPlayer, RecordedLens } from "../../core/recording.ts";
import { NOT_KNOWN, type TableSizes } from "./bounds.ts";
import { FORM } from "./form.ts";
import { NO_LOSSES, type RecordedLosses } from "./losses.ts";
import { FlowModel } from "./model/model.ts";
import { decodeOperation } from "./operations.ts";
import type { SeedEntry } from "./record.ts";
import { type RecordedFlows, readRecorded } from "./recorded.ts";
import type { Snapshot } from "./snapshot.ts";

/** What a recording without flows says of them. */
const NOTHING: RecordedFlows = { form: FORM, lossKeys: [], sizes: NOT_KNOWN, udpIdleNs: 0 };

export class FlowPlayer implements LensPlayer {
  readonly facts: TableSizes;
  readonly #model: FlowModel;
  readonly #lossKeys: readonly string[];
  #losses: RecordedLosses = NO_LOSSES;
  #all: boolean;
  /** The sockets without a flow, and those of a new set that is incomplete. */
  #sockets: readonly SeedEntry[] = [];
  #arrivingSockets: SeedEntry[] = [];

  /** `recorded`: null for a recording without flows. Throws DamageError and NewerError. */
  constructor(recorded: RecordedLens | null, all: boolean) {
    const { form, lossKeys, sizes, udpIdleNs } = recorded === null ? NOTHING : readRecorded(recorded);
    this.facts = sizes;
    this.#lossKeys = lossKeys;
    this.#all = all;
    this.#model = new FlowModel({ udpIdleNs, startNs: recorded?.startNs ?? 0 }, form);
  }

  apply(code: number, bytes: Buffer): boolean {
    const operation = decodeOperation(code, bytes, this.#lossKeys);
    if (operation === null) return false;
    if (operation.kind === "losses") this.#losses = operation.losses;
    else if (operation.kind === "sockets") {
      this.#arrivingSockets.push(...operation.entries);
      if (operation.isLast) this.#setSockets();
    } else this.#model.apply(operation);
    return true;
  }

  refresh({ nowNs }: Moment): Snapshot {
    return this.#model.refresh(nowNs, this.#losses);
  }

  get size(): number {
    return this.#model.size + this.#arrivingSockets.length;
  }

  /** The one switch: shows the sockets that carry no flow from the next refresh on, or no more. */
  turn(_: string, isOn: boolean): void {
    this.#all = isOn;
    this.#model.apply({ kind: "sockets", entries: isOn ? this.#sockets : [] });
  }

  #setSockets(): void {
    this.#sockets = this.#arrivingSockets;
    this.#arrivingSockets = [];
    if (this.#all) this.#model.apply({ kind: "sockets", entries: this.#sockets });
  }
}
