/** What the head of a recording says of flows: written, and checked when it is read. */
import { DamageError, NewerError } from "../../base/errors.ts";
import { HEAD } from "../../core/head.gen.ts";
import type { HeadMember, RecordedForm, RecordedLens } from "../../core/recording.ts";
import { NOT_KNOWN, type TableSizes } from "./bounds.ts";
import { type FlowForm, FORM, headlessForm, NOWHERE, type Positions } from "./form.ts";
import { ABI, LENS, RECORD, RECORD_FIELDS } from "./layout.gen.ts";
import { FLOW_COUNTERS } from "./losses.ts";

/** Offset behind the head's start, bytes and kind (u: number, b: bytes, s: text) of a field. */
type FieldForm = readonly [offset: number, bytes: number, kind: string];

const LOSS_KEYS = FLOW_COUNTERS.map(({ key }) => key);

export const FLOWS_FORM: RecordedForm = {
  number: LENS,
  id: "flows",
  abi: ABI,
  schema: { record: { size: RECORD.size, fields: RECORD_FIELDS }, losses: LOSS_KEYS },
};

/** Fields that recordings may not have; all others have been in every version. */
const OPTIONAL: ReadonlySet<string> = new Set(["inode", "process_start_ns"]);

const UNUSED: ReadonlySet<string> = new Set(["reserved"]);

/** The counters in recordings without a schema, in their order. */
const HEADLESS_LOSS_KEYS: readonly string[] = [
  ...["flows_untracked", "bytes_untracked", "datagrams_untracked", "records_deferred", "closes_lost"],
  ...["datagrams_uncorrected", "records_invalid", "seed_lines_skipped"],
];

const MOST_FIELDS = 256;
const MOST_COUNTERS = 64;
const MOST_RECORD_BYTES = 0xffff;
const NAME = /^[a-z][a-z0-9_]{0,47}$/;

function wrong(field: string, rule: string): DamageError {
  return new DamageError(`field ${field} of flows in the first frame is not ${rule}`);
}

function isObject(value: unknown): value is HeadMember {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

function isFieldForm(value: unknown, size: number): value is FieldForm {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [offset, bytes, kind] = value as readonly unknown[];
  return (
    isWhole(offset, HEAD.bytes, size) &&
    isWhole(bytes, 1, size - offset) &&
    typeof kind === "string" &&
    /^[a-z]$/.test(kind)
  );
}

/** Where a field of the recording stands. A field that has changed its form is a newer tcptop's. */
function positionOf(name: string, there: FieldForm | undefined): number {
  const [, bytes, kind] = RECORD_FIELDS[name as keyof typeof RECORD_FIELDS];
  if (there === undefined) {
    if (OPTIONAL.has(name)) return NOWHERE;
    throw wrong("schema.record.fields", `complete: ${name} is missing`);
  }
  if (there[1] !== bytes || there[2] !== kind)
    throw new NewerError(`field ${name} of flows has another form`);
  return there[0];
}

function checkedForm(record: unknown, isLittleEndian: boolean): FlowForm {
  if (!isObject(record)) throw wrong("schema.record", "an object");
  const { size, fields } = record;
  if (!isWhole(size, HEAD.bytes, MOST_RECORD_BYTES)) throw wrong("schema.record.size", "a size of records");
  if (!isObject(fields)) throw wrong("schema.record.fields", "an object");
  const entries = Object.entries(fields);
  if (entries.length > MOST_FIELDS) throw wrong("schema.record.fields", `at most ${MOST_FIELDS} fields`);
  const there = new Map<string, FieldForm>();
  for (const [name, form] of entries) {
    if (!NAME.test(name) || !isFieldForm(form, size))
      throw wrong("schema.record.fields", "fields with offset, bytes and kind");
    there.set(name, form);
  }
  const names = Object.keys(RECORD_FIELDS).filter((name) => !UNUSED.has(name));
  const found = Object.fromEntries(names.map((name) => [name, positionOf(name, there.get(name))]));
  const at = { ...FORM.at, ...found } as Positions;
  return { lens: LENS, size, at, headless: null, isLittleEndian };
}

function checkedLossKeys(keys: unknown): readonly string[] {
  const isList =
    Array.isArray(keys) &&
    keys.length <= MOST_COUNTERS &&
    keys.every((key) => typeof key === "string" && NAME.test(key)) &&
    new Set(keys).size === keys.length;
  if (!isList) throw wrong("schema.losses", `a list of at most ${MOST_COUNTERS} counters`);
  return keys as readonly string[];
}

function isTableSize(size: unknown): boolean {
  return size === null || isWhole(size, 0, Number.MAX_SAFE_INTEGER);
}

function checkedSizes(value: unknown): TableSizes {
  if (value === undefined) return NOT_KNOWN;
  const { maxTcpFlows, maxUdpFlows } = isObject(value) ? value : {};
  if (![maxTcpFlows, maxUdpFlows].every(isTableSize)) throw wrong("tableSizes", "two whole numbers or null");
  return { maxTcpFlows, maxUdpFlows } as TableSizes;
}

/** All that a replay needs of the head. */
export interface RecordedFlows {
  readonly form: FlowForm;
  /** The loss counters that it has, in its order. */
  readonly lossKeys: readonly string[];
  readonly sizes: TableSizes;
  readonly udpIdleNs: number;
}

/** Throws DamageError for what no tcptop writes, NewerError for what a newer one writes. */
export function readRecorded({ abi, schema, facts, isLittleEndian }: RecordedLens): RecordedFlows {
  const { udpIdleNs } = facts;
  if (typeof udpIdleNs !== "number" || !Number.isFinite(udpIdleNs) || udpIdleNs < 0)
    throw wrong("udpIdleNs", "a number from 0");
  const sizes = checkedSizes(facts["tableSizes"]);
  if (schema === null) {
    const form = headlessForm(abi);
    if (form === null) throw new NewerError(`records of flows have version ${abi}`);
    return { form, lossKeys: HEADLESS_LOSS_KEYS, sizes, udpIdleNs };
  }
  const form = checkedForm(schema["record"], isLittleEndian);
  return { form, lossKeys: checkedLossKeys(schema["losses"]), sizes, udpIdleNs };
}
