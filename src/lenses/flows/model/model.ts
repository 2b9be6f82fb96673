/** The model of flows: the aggregator behind the operations that a recording has. */
import type { Model } from "../../../core/lens.ts";
import { decodeRecords } from "../decode.ts";
import { type FlowForm, FORM } from "../form.ts";
import type { RecordedLosses } from "../losses.ts";
import type { FlowOperation } from "../operation.ts";
import type { FlowRecord } from "../record.ts";
import type { Snapshot } from "../snapshot.ts";
import { Aggregator, type AggregatorOptions, type UnmetFlow } from "./aggregator.ts";

export class FlowModel implements Model<FlowOperation, RecordedLosses, Snapshot> {
  readonly #aggregator: Aggregator;
  readonly #form: FlowForm;
  #recordsInvalid = 0;

  /** `form`: of the records. */
  constructor(options: AggregatorOptions, form = FORM) {
    this.#aggregator = new Aggregator(options);
    this.#form = form;
  }

  apply(operation: FlowOperation): void {
    switch (operation.kind) {
      case "records":
        this.#recordsInvalid += decodeRecords(operation.bytes, this.#applyRecord, this.#form);
        break;
      case "seed":
        this.#aggregator.seed(operation.entries, operation.nowNs);
        break;
      case "sockets":
        this.#aggregator.setSockets(operation.entries);
        break;
      case "unmet":
        this.#aggregator.endUnmet(operation.keys, operation.nowNs);
        break;
      case "silent":
        this.#aggregator.endSilent(operation.sinceNs, operation.nowNs);
        break;
    }
  }

  refresh(nowNs: number, losses: RecordedLosses): Snapshot {
    return this.#aggregator.refresh(nowNs, losses);
  }

  get size(): number {
    return this.#aggregator.size;
  }

  get isCrowded(): boolean {
    return this.#aggregator.isCrowded;
  }

  /** Records so far that could not be decoded. */
  get recordsInvalid(): number {
    return this.#recordsInvalid;
  }

  /** The connections that are known from /proc alone. */
  unmet(): UnmetFlow[] {
    return this.#aggregator.unmet();
  }

  readonly #applyRecord = (record: FlowRecord): void => this.#aggregator.apply(record);
}
