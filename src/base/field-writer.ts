/** Writes fields one after the other, little-endian, into memory that grows. */
import { Buffer } from "node:buffer";

export class FieldWriter {
  #buffer = Buffer.allocUnsafe(64 << 10);
  #used = 0;

  get bytes(): number {
    return this.#used;
  }

  /** All that was written since the last call; valid until the next write. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    return taken;
  }

  /** Makes room: the fields that follow may have so many bytes together. */
  reserve(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }

  u8(value: number): void {
    this.#used = this.#buffer.writeUInt8(value, this.#used);
  }
  u16(value: number): void {
    this.#used = this.#buffer.writeUInt16LE(value, this.#used);
  }
  u32(value: number): void {
    this.#used = this.#buffer.writeUInt32LE(value, this.#used);
  }
  u64(value: bigint): void {
    this.#used = this.#buffer.writeBigUInt64LE(value, this.#used);
  }
  f64(value: number): void {
    this.#used = this.#buffer.writeDoubleLE(value, this.#used);
  }
  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }
  /** Its length in a byte, then the text; of more than `mostBytes` (at most 255) the whole characters that fit. */
  text(text: string, mostBytes: number): void {
    const bytes = this.#buffer.write(text, this.#used + 1, mostBytes, "utf8");
    this.u8(bytes);
    this.#used += bytes;
  }

  /** Overwrites what was written at a position. */
  setU32(value: number, at: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }
}
