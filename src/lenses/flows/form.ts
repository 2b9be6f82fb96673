/** Where the fields of a record stand: as the programs write them, and as earlier versions did. */
import { IS_LITTLE_ENDIAN } from "../../base/field-reader.ts";
import { HEAD } from "../../core/head.gen.ts";
import type { RecordForm } from "../../core/records.ts";
import { LENS, RECORD } from "./layout.gen.ts";

type Field = Exclude<keyof typeof RECORD, "size" | "reserved"> | "kind" | "time_ns";

/** A position below 0: records of this form do not have the field. */
export type Positions = Readonly<Record<Field, number>>;

export interface FlowForm extends RecordForm {
  readonly at: Positions;
  /** Version of records that have no head: all of them are `size` bytes, and the version stands at `versionAt`. */
  readonly headless: { readonly version: number; readonly versionAt: number } | null;
  readonly isLittleEndian: boolean;
}

export const NOWHERE = -1;

/** The records of the programs that tcptop carries. */
export const FORM: FlowForm = {
  lens: LENS,
  size: RECORD.size,
  at: { ...RECORD, kind: HEAD.kind, time_ns: HEAD.time_ns },
  headless: null,
  isLittleEndian: IS_LITTLE_ENDIAN,
};

/** The records in recordings of versions 1 and 2. */
const HEADLESS: Positions = {
  id: 0,
  time_ns: 8,
  opened_ns: 16,
  active_ns: 24,
  bytes_in: 32,
  bytes_out: 40,
  packets_in: 48,
  packets_out: 56,
  bytes_retrans: 64,
  cgroup_id: 72,
  srtt_us: 80,
  rttvar_us: 84,
  min_rtt_us: 88,
  retransmits: 92,
  snd_cwnd: 96,
  pid: 100,
  uid: 104,
  netns: 108,
  local_address: 112,
  remote_address: 128,
  local_port: 144,
  remote_port: 146,
  kind: 149,
  proto: 150,
  state: 151,
  flags: 152,
  inode: 156,
  process: 160,
  process_start_ns: 176,
};

/** The form of records without a head; null: there is no such version. In version 1 the inode is 0. */
export function headlessForm(version: number): FlowForm | null {
  const headless = { version, versionAt: 148 };
  const form = { lens: LENS, headless, isLittleEndian: IS_LITTLE_ENDIAN };
  if (version === 1) return { ...form, size: 176, at: { ...HEADLESS, process_start_ns: NOWHERE } };
  return version === 2 ? { ...form, size: 184, at: HEADLESS } : null;
}
