/** Turns the bytes of an input into values: a structured input is a row of choices. */
import { Buffer } from "node:buffer";

/** Text that has broken programs before: terminals, spreadsheets, parsers and layouts. */
export const HOSTILE_TEXTS: readonly string[] = [
  "\x1b[2J\x1b[31m",
  "\x1b]0;title\x07",
  "\x9b31m",
  "a\r\nb",
  "\t\v\f\0",
  "=cmd()",
  "+1",
  "-1",
  "@SUM(A1)",
  "＝1",
  '","',
  '"',
  "'=1",
  "\u202eevil\u2066",
  "\u200b\u200d\ufeff",
  "e\u0301\u0302",
  "\u0301",
  "日本語",
  "한글\u1100\u1161",
  "👩‍👩‍👧🇩🇪❤️",
  "\u2028\u2029\u0085",
  "\ue000\u{f0000}\u{e0041}",
  "\ufffd\u{10ffff}",
  "\\x1b\\",
  "__proto__",
  "constructor",
  "…" /* what a cut text ends with */,
  " ",
];

/** Reads choices from the front; after the last byte every choice is its first one. */
export class Choices {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  flag(): boolean {
    return (this.byte() & 1) === 1;
  }

  /** From 0 to `limit - 1`; `limit` is at most 2^32. */
  below(limit: number): number {
    if (limit <= 0x100) return this.byte() % limit;
    return this.unsigned(4) % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** An unsigned number of up to 6 bytes. */
  unsigned(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + this.byte();
    return value;
  }

  /** As many bytes as are left, at most `count`. */
  bytes(count: number): Buffer {
    const piece = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return piece;
  }

  rest(): Buffer {
    return this.bytes(Math.max(0, this.#bytes.length - this.#at));
  }

  /** Up to `maxBytes` bytes read as UTF-8, or one of the hostile texts. */
  text(maxBytes: number): string {
    const kind = this.byte();
    if (kind < 0x80) return this.bytes(Math.min(kind, maxBytes)).toString();
    return HOSTILE_TEXTS[kind % HOSTILE_TEXTS.length] ?? "";
  }

  /** A count such as the kernel keeps: small, large or at an edge; at most `most`. */
  count(most: number): number {
    const kind = this.byte();
    if (kind < 0x40) return Math.min(kind, most);
    if (kind < 0x80) return Math.min(this.unsigned(2), most);
    if (kind < 0xc0) return Math.min(this.unsigned(6), most);
    return kind < 0xe0 ? most : 0;
  }
}
