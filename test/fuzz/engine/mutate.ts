/** Makes inputs out of inputs. */
import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";

export interface Material {
  readonly corpus: readonly Uint8Array[];
  readonly tokens: readonly Uint8Array[];
  readonly maxBytes: number;
}

type Mutation = (bytes: Uint8Array, random: Random, material: Material) => Uint8Array;

const EDGES = [0, 1, 0x0a, 0x1b, 0x20, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7f, 0x80, 0xc0, 0xff];

function replace(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

/** A place in the bytes, their end included. */
function place(bytes: Uint8Array, random: Random): number {
  return random.below(bytes.length + 1);
}

/** A part of the bytes, more often a short one. */
function part(bytes: Uint8Array, random: Random): readonly [at: number, length: number] {
  const at = place(bytes, random);
  const most = Math.min(bytes.length - at, 1 << random.below(9));
  return [at, random.below(most + 1)];
}

function change(bytes: Uint8Array, random: Random, to: (byte: number) => number): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(random.below(256));
  const copy = Uint8Array.from(bytes);
  const at = random.below(copy.length);
  copy[at] = to(copy[at] ?? 0);
  return copy;
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => change(bytes, random, (byte) => byte ^ (1 << random.below(8))),
  (bytes, random) => change(bytes, random, (byte) => byte + random.below(33) - 16),
  (bytes, random) => change(bytes, random, () => random.below(256)),
  (bytes, random) => change(bytes, random, () => random.pick(EDGES)),
  (bytes, random) => {
    const filler = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
    return replace(bytes, place(bytes, random), 0, filler);
  },
  (bytes, random) => replace(bytes, ...part(bytes, random), new Uint8Array()),
  (bytes, random) => {
    const [at, length] = part(bytes, random);
    return replace(bytes, place(bytes, random), 0, bytes.subarray(at, at + length));
  },
  (bytes, random) => {
    const [at, length] = part(bytes, random);
    const times = 1 + random.below(64);
    return replace(bytes, at, 0, Buffer.concat(Array(times).fill(bytes.subarray(at, at + length))));
  },
  (bytes, random, { tokens }) =>
    tokens.length === 0 ? bytes : replace(bytes, place(bytes, random), 0, random.pick(tokens)),
  (bytes, random, { tokens }) =>
    tokens.length === 0 ? bytes : replace(bytes, ...part(bytes, random), random.pick(tokens)),
  (bytes, random, { corpus }) => {
    if (corpus.length === 0) return bytes;
    const other = random.pick(corpus);
    const [at, length] = part(other, random);
    return replace(bytes, ...part(bytes, random), other.subarray(at, at + length));
  },
  (bytes, random, { corpus }) => {
    if (corpus.length === 0) return bytes;
    const other = random.pick(corpus);
    return Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]);
  },
];

/** An input made of `bytes` by some changes. */
export function mutate(bytes: Uint8Array, random: Random, material: Material): Uint8Array {
  let mutated = bytes;
  for (let left = 1 << random.below(4); left > 0; left--) {
    mutated = random.pick(MUTATIONS)(mutated, random, material).subarray(0, material.maxBytes);
  }
  return mutated;
}
