/** Puts rows in the order the user asked for. */
import { type Cell, type CellKind, type Column, compareCells } from "./column.ts";

export interface SortOrder<Row> {
  /** null: the order of first sight. */
  readonly column: Column<Row> | null;
  /** Turns the natural direction round: quantities sort largest first, names and ids smallest first. */
  readonly reverse: boolean;
}

const SMALLEST_FIRST: ReadonlySet<CellKind> = new Set(["text", "id", "flag"]);

const PARTS = { dot: 0x2e, colon: 0x3a, zero: 0x30, nine: 0x39 } as const;

/** An IPv4 address or endpoint as a number that sorts as `compareCells` does, only faster; else NaN. */
function ipv4Key(text: string): number {
  let key = 0;
  let part = 0;
  let dots = 0;
  let hasPort = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= PARTS.zero && code <= PARTS.nine) {
      part = part * 10 + code - PARTS.zero;
      continue;
    }
    if (code === PARTS.dot && dots < 3) dots++;
    else if (code === PARTS.colon && dots === 3 && !hasPort) hasPort = true;
    else return Number.NaN;
    key = key * 256 + part;
    part = 0;
  }
  if (dots !== 3) return Number.NaN;
  return hasPort ? key * 65_536 + part : (key * 256 + part) * 65_536;
}

/** The place of each text among all; texts that sort as equal share one. */
function rank(texts: readonly string[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  let place = 0;
  let before: string | null = null;
  for (const text of [...new Set(texts)].sort(compareCells)) {
    if (before !== null && compareCells(before, text) !== 0) place++;
    ranks.set(text, place);
    before = text;
  }
  return ranks;
}

/**
 * Numbers that sort as the cells do, the unknown last. Endpoints are many and distinct: IPv4 is compared
 * as numbers, after IPv6; other texts by their rank.
 */
function keysOf(cells: readonly Cell[], sign: 1 | -1): Float64Array {
  const keys = new Float64Array(cells.length);
  const others: string[] = [];
  cells.forEach((cell, i) => {
    const key = typeof cell === "string" ? ipv4Key(cell) : Number(cell);
    if (typeof cell === "string" && Number.isNaN(key)) others.push(cell);
    // Zero and negative zero have different bits: the sum is zero for both.
    keys[i] = cell === null ? Number.POSITIVE_INFINITY : sign * key + 0;
  });
  if (others.length > 0) rankTexts(cells, others, sign, keys);
  return keys;
}

/** Gives ranks to texts: endpoints that are not IPv4 come before those that are; with other texts all are ranked. */
function rankTexts(cells: readonly Cell[], others: readonly string[], sign: 1 | -1, keys: Float64Array) {
  const areEndpoints = others.every((text) => text.startsWith("["));
  const ranks = rank(areEndpoints ? others : cells.filter((cell) => typeof cell === "string"));
  const offset = areEndpoints ? ranks.size : 0;
  cells.forEach((cell, i) => {
    const place = typeof cell === "string" ? ranks.get(cell) : undefined;
    if (place !== undefined) keys[i] = sign * (place - offset);
  });
}

/** Which half of a double's two words has its sign: 1 on a little-endian machine. */
const HIGH = new Uint32Array(Float64Array.of(1).buffer)[0] === 0 ? 1 : 0;
const SIGN = 0x8000_0000;

/** Doubles as pairs of words that sort as unsigned numbers: the sign turned round, negative ones in all bits (IEEE 754). */
function sortableWords(keys: Float64Array): readonly [low: Uint32Array, high: Uint32Array] {
  const words = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  const low = new Uint32Array(keys.length);
  const high = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const top = words[2 * i + HIGH] ?? 0;
    const flip = top >= SIGN ? 0xffff_ffff : 0;
    low[i] = (words[2 * i + 1 - HIGH] ?? 0) ^ flip;
    high[i] = top ^ (flip | SIGN);
  }
  return [low, high];
}

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/** Sorts indexes by one digit of their words, stable; gives `from` back where all have the same. */
function sortByDigit(from: Uint32Array, to: Uint32Array, words: Uint32Array, shift: number): Uint32Array {
  const places = new Uint32Array(DIGITS);
  const digitOf = (index: number) => ((words[index] ?? 0) >>> shift) & (DIGITS - 1);
  for (let i = 0; i < words.length; i++) {
    const digit = digitOf(i);
    places[digit] = (places[digit] ?? 0) + 1;
  }
  if (places[digitOf(0)] === words.length) return from;
  let next = 0;
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = places[digit] ?? 0;
    places[digit] = next;
    next += count;
  }
  for (const index of from) {
    const digit = digitOf(index);
    const place = places[digit] ?? 0;
    places[digit] = place + 1;
    to[place] = index;
  }
  return to;
}

/** Indexes in the order of their keys, equal ones in their own: a radix sort, least significant digit first. */
function orderOf(keys: Float64Array): Uint32Array {
  let from = new Uint32Array(keys.length);
  for (let i = 0; i < from.length; i++) from[i] = i;
  let to = new Uint32Array(keys.length);
  for (const words of sortableWords(keys)) {
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      const sorted = sortByDigit(from, to, words, shift);
      if (sorted === to) [from, to] = [to, from];
    }
  }
  return from;
}

/** Whether a kind of column sorts smallest first unless reversed. */
export function sortsSmallestFirst(kind: CellKind): boolean {
  return SMALLEST_FIRST.has(kind);
}

/**
 * A copy sorted by one cell of each row. Equal rows keep their order, unknown values stay at the end in
 * both directions. However many rows there are, what gets compared is numbers.
 */
export function sortRows<T>(
  rows: readonly T[],
  read: (row: T) => Cell,
  { smallestFirst }: { readonly smallestFirst: boolean },
): T[] {
  const keys = keysOf(rows.map(read), smallestFirst ? 1 : -1);
  const sorted: T[] = [];
  for (const index of orderOf(keys)) {
    const row = rows[index];
    if (row !== undefined) sorted.push(row);
  }
  return sorted;
}

/** Rows sorted as the user asked for, see `sortRows`. */
export function sortByColumn<Row>(
  rows: readonly Row[],
  { column, reverse }: SortOrder<Row>,
  nowNs: number,
): readonly Row[] {
  if (column === null) return reverse ? rows.toReversed() : rows;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(rows, (row) => column.value(row, nowNs), { smallestFirst });
}
