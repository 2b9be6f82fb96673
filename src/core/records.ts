/** The records of all lenses: each begins with `struct tcptop_head` of bpf/record.h, which says where the next one is. */
import type { FieldReader } from "../base/field-reader.ts";
import { HEAD } from "./head.gen.ts";

/** Which records of a batch a lens understands. */
export interface RecordForm {
  readonly lens: number;
  /** Bytes of a record without optional parts. A later version only appends fields. */
  readonly size: number;
}

/**
 * Calls `take` with the position of each record of the lens. Returns how many records it steps over: of other lenses, or
 * shorter than they must be. Behind a head that cannot be right nothing can be found: all that follows counts as one.
 */
export function stepRecords(fields: FieldReader, form: RecordForm, take: (at: number) => void): number {
  const end = fields.bytes.length;
  let skipped = 0;
  for (let at = 0; at < end; ) {
    if (at + HEAD.bytes > end) return skipped + 1;
    const size = fields.u16(at + HEAD.size);
    if (size < HEAD.bytes || at + size > end) return skipped + 1;
    if (fields.u8(at + HEAD.lens) === form.lens && size >= form.size) take(at);
    else skipped++;
    at += size;
  }
  return skipped;
}
