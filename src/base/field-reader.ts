/** Reads fixed-width fields of bytes in either byte order; alignment does not matter. */
import { Buffer } from "node:buffer";

/** The byte order of this machine, in which records cross from the kernel side. */
export const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export class FieldReader {
  readonly bytes: Buffer;
  readonly #view: DataView;
  readonly #isLittle: boolean;

  constructor(bytes: Uint8Array, isLittleEndian = IS_LITTLE_ENDIAN) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#isLittle = isLittleEndian;
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#isLittle);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#isLittle);
  }

  /** Exact up to 2^53. */
  u64(at: number): number {
    const low = this.u32(this.#isLittle ? at : at + 4);
    const high = this.u32(this.#isLittle ? at + 4 : at);
    return high * 0x1_0000_0000 + low;
  }

  bigU64(at: number): bigint {
    return this.#view.getBigUint64(at, this.#isLittle);
  }

  /** Text up to a NUL or `maxBytes`, what is not UTF-8 as U+FFFD. */
  text(at: number, maxBytes: number): string {
    const last = Math.min(at + maxBytes, this.bytes.length);
    let end = at;
    while (end < last && this.bytes[end] !== 0) end++;
    return this.bytes.toString("utf8", at, end);
  }
}
