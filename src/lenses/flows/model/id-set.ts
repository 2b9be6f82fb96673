/** A set of flow ids in eight bytes each. */

const LEAST_PLACES = 1024;

/** Ids are never all ones: the low bits are a processor's number, the rest is time. */
const FREE = 0xffff_ffff_ffff_ffffn;

export class IdSet {
  #places = new BigUint64Array(LEAST_PLACES).fill(FREE);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: bigint): boolean {
    return this.#places[this.#placeOf(id)] === id;
  }

  add(id: bigint): void {
    const place = this.#placeOf(id);
    if (this.#places[place] === id) return;
    this.#places[place] = id;
    this.#size++;
    if (2 * this.#size > this.#places.length) this.#grow();
  }

  /** Where an id is, or would be: open addressing. */
  #placeOf(id: bigint): number {
    const mask = this.#places.length - 1;
    // Fibonacci hashing of both halves.
    const folded = Number(BigInt.asUintN(32, id ^ (id >> 32n)));
    let place = Math.imul(folded, 0x9e37_79b1) >>> 7;
    place &= mask;
    for (let found = this.#places[place]; found !== FREE && found !== id; found = this.#places[place]) {
      place = (place + 1) & mask;
    }
    return place;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new BigUint64Array(2 * before.length).fill(FREE);
    for (const id of before) if (id !== FREE) this.#places[this.#placeOf(id)] = id;
  }
}
