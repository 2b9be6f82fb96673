/** What recordings and lenses have to do with each other. A recording has the operations of each lens, as bytes. */
import type { Buffer } from "node:buffer";
import type { Moment } from "../base/clock.ts";
import type { FieldWriter } from "../base/field-writer.ts";
import type { Snapshot } from "./refresh.ts";

/** Takes the operations of one lens into a recording, in their order. No method throws. */
export interface LensRecorder {
  /** An operation of at most `mostBytes`, whose fields `write` writes. Numbers of operations are 1 to 255. */
  operation(number: number, mostBytes: number, write: (fields: FieldWriter) => void): void;
  /** The last operation of a refresh. The refresh is written once all lenses have given theirs. */
  last(number: number, mostBytes: number, at: Moment, write: (fields: FieldWriter) => void): void;
}

/** Records the loss counters, in the order of their names, as the last operation of a refresh. */
export function recordLosses<Name extends string>(
  recorder: LensRecorder,
  number: number,
  at: Moment,
  names: readonly Name[],
  losses: Readonly<Record<Name, number>>,
): void {
  recorder.last(number, 8 * names.length, at, (to) => {
    for (const name of names) to.f64(losses[name]);
  });
}

/** A member of a lens in the head of a recording; all that a file says is checked by who reads it. */
export type HeadMember = Readonly<Record<string, unknown>>;

/** How a lens is recorded. */
export interface RecordedForm {
  /** In the heads of records and operations. */
  readonly number: number;
  readonly id: string;
  /** Of its records. */
  readonly abi: number;
  /** The structs that its operations have, and other lists that a reader needs. */
  readonly schema: HeadMember;
}

/** A lens in recordings. */
export interface LensRecording {
  readonly form: RecordedForm;
  /** null: a recording without the lens. Throws DamageError and NewerError for a head that it cannot read. */
  player(recorded: RecordedLens | null): LensPlayer;
}

/** A lens as the head of a recording has it. */
export interface RecordedLens {
  readonly number: number;
  readonly id: string;
  readonly abi: number;
  /** null: the file is older than schemas. */
  readonly schema: HeadMember | null;
  /** What the lens knew of its capture. */
  readonly facts: HeadMember;
  /** The byte order of the records. */
  readonly isLittleEndian: boolean;
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
}

/** Plays what was recorded of a lens: its model, and what decodes the operations. */
export interface LensPlayer {
  /** What the lens knew of its capture. */
  readonly facts: object;
  /** False: it does not know the operation. Throws DamageError for bytes that no writer writes. */
  apply(operation: number, bytes: Buffer): boolean;
  /** After the last operation of a refresh. */
  refresh(at: Moment): Snapshot;
  /** Rows in memory. */
  readonly size: number;
  /** Turns a switch of the lens (`Switch`). */
  turn(id: string, isOn: boolean): void;
}
