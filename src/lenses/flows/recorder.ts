/** Records the operations of flows. */
import type { Moment } from "../../base/clock.ts";
import { FieldWriter } from "../../base/field-writer.ts";
import { type LensRecorder, recordLosses } from "../../core/recording.ts";
import { LOSS_NAMES, type Losses } from "./losses.ts";
import type { FlowOperation } from "./operation.ts";
import { Known, MOST_ENTRY_BYTES, MOST_NAME_BYTES, OpCode } from "./operations.ts";
import { isFlow, type SeedEntry } from "./record.ts";

/** The most entries of one operation; a larger set is split. */
const ENTRIES_PER_OPERATION = 4096;

/** The parts of a set, at least one. */
function* parts(
  entries: readonly SeedEntry[],
): Generator<readonly [some: readonly SeedEntry[], isLast: boolean]> {
  for (let i = 0; i === 0 || i < entries.length; i += ENTRIES_PER_OPERATION) {
    yield [entries.slice(i, i + ENTRIES_PER_OPERATION), i + ENTRIES_PER_OPERATION >= entries.length];
  }
}

function writeEntries(fields: FieldWriter, entries: readonly SeedEntry[]): void {
  for (const entry of entries) writeEntry(fields, entry);
}

function writeEntry(fields: FieldWriter, entry: SeedEntry): void {
  const { owner } = entry;
  fields.u8(entry.proto);
  fields.u8(entry.state);
  fields.text(entry.localAddress, MOST_NAME_BYTES);
  fields.u16(entry.localPort);
  fields.text(entry.remoteAddress, MOST_NAME_BYTES);
  fields.u16(entry.remotePort);
  fields.u32(entry.uid);
  fields.f64(entry.inode);
  fields.u32(entry.netns);
  if (owner === null) {
    fields.u8(0);
    return;
  }
  const uid = owner.uid === null ? 0 : Known.uid;
  const cgroupId = owner.cgroupId === null ? 0 : Known.cgroupId;
  fields.u8(Known.owner | uid | cgroupId | (owner.startNs === null ? 0 : Known.startNs));
  fields.u32(owner.pid);
  fields.u32(owner.uid ?? 0);
  fields.u64(owner.cgroupId ?? 0n);
  fields.text(owner.process, MOST_NAME_BYTES);
  if (owner.startNs !== null) fields.f64(owner.startNs);
}

/** Gets all that reaches the model, in the same order. */
export class FlowRecorder {
  readonly #recorder: LensRecorder;
  /** The last set of sockets, as it was written. */
  #lastSockets: Uint8Array | null = null;

  constructor(recorder: LensRecorder) {
    this.#recorder = recorder;
  }

  /** Of a seed only the flows are written, of sockets only those without one. Bytes are copied. */
  write(operation: FlowOperation): void {
    switch (operation.kind) {
      case "seed":
        this.#seed(operation.entries.filter(isFlow), operation.nowNs);
        break;
      case "records":
        this.#recorder.operation(OpCode.records, operation.bytes.length, (to) => to.raw(operation.bytes));
        break;
      case "sockets":
        this.#sockets(operation.entries.filter((entry) => !isFlow(entry)));
        break;
      case "unmet":
        this.#recorder.operation(OpCode.unmet, 8 + 8 * operation.keys.length, (to) => {
          to.f64(operation.nowNs);
          for (const key of operation.keys) to.f64(key);
        });
        break;
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

  #seed(entries: readonly SeedEntry[], nowNs: number): void {
    if (entries.length === 0) return;
    for (const [some] of parts(entries)) {
      this.#recorder.operation(OpCode.seed, 8 + some.length * MOST_ENTRY_BYTES, (to) => {
        to.f64(nowNs);
        writeEntries(to, some);
      });
    }
  }

  /** A set that equals the last one is not written again. */
  #sockets(entries: readonly SeedEntry[]): void {
    const whole = new FieldWriter();
    whole.reserve(entries.length * MOST_ENTRY_BYTES);
    writeEntries(whole, entries);
    const encoded = whole.take();
    if (this.#lastSockets !== null && encoded.equals(this.#lastSockets)) return;
    this.#lastSockets = encoded;
    for (const [some, isLast] of parts(entries)) {
      this.#recorder.operation(OpCode.sockets, 1 + some.length * MOST_ENTRY_BYTES, (to) => {
        to.u8(Number(isLast));
        writeEntries(to, some);
      });
    }
  }
}
