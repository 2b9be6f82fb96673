/** The operations of processes in a recording: their numbers, and how they are read. */
import type { Buffer } from "node:buffer";
import { DamageError } from "../../base/errors.ts";
import { LOSS_NAMES, type Losses, NO_LOSSES } from "./losses.ts";
import type { ProcessOperation } from "./operation.ts";

export const OpCode = { records: 1, arguments: 2, silent: 3, losses: 4 } as const;

export type Recorded = ProcessOperation | { readonly kind: "losses"; readonly losses: Losses };

/** Bytes in front of the words of arguments. */
const ARGUMENTS_HEAD = 14;

function count(field: string, bytes: Buffer, at: number): number {
  if (at + 8 > bytes.length) throw new DamageError(`field ${field} reaches past the end of its operation`);
  const value = bytes.readDoubleLE(at);
  if (!(Number.isInteger(value) && value >= 0 && value <= 2 ** 64))
    throw new DamageError(`field ${field} is not a whole number from 0 to 2^64`);
  return value;
}

function flag(field: string, value: number | undefined): boolean {
  if (value === undefined || value > 1) throw new DamageError(`field ${field} is neither 0 nor 1`);
  return value === 1;
}

function readArguments(bytes: Buffer): Recorded {
  if (bytes.length < ARGUMENTS_HEAD)
    throw new DamageError("field words reaches past the end of its operation");
  const hasWords = flag("has_words", bytes[13]);
  return {
    kind: "arguments",
    pid: bytes.readUInt32LE(0),
    startNs: count("start_ns", bytes, 4),
    isCut: flag("is_cut", bytes[12]),
    words: hasWords ? bytes.toString("utf8", ARGUMENTS_HEAD).split("\0") : [],
  };
}

function readLosses(bytes: Buffer, names: readonly string[]): Recorded {
  const losses: Record<string, number> = { ...NO_LOSSES };
  for (const [i, name] of names.entries()) {
    if (Object.hasOwn(losses, name)) losses[name] = count(name, bytes, 8 * i);
  }
  return { kind: "losses", losses: losses as Losses };
}

/** null: the operation is not known. `lossNames`: the counters of the recording. Throws DamageError. */
export function readOperation(
  code: number,
  bytes: Buffer,
  lossNames: readonly string[] = LOSS_NAMES,
): Recorded | null {
  switch (code) {
    case OpCode.records:
      return { kind: "records", bytes };
    case OpCode.arguments:
      return readArguments(bytes);
    case OpCode.silent:
      return { kind: "silent", nowNs: count("now_ns", bytes, 0), sinceNs: count("since_ns", bytes, 8) };
    case OpCode.losses:
      return readLosses(bytes, lossNames);
    default:
      return null;
  }
}
