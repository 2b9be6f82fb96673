/** The addon called with anything: it answers, or throws an Error, and writes only where it may. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { NativeSource, SourceSpec } from "../../../src/core/source.ts";
import { LOSSES, OWNER, RECORD } from "../../../src/lenses/flows/layout.gen.ts";
import { OWNERS, SWEEP_TCP } from "../../../src/lenses/flows/programs.ts";
import type { NativeAddon } from "../../../src/platform/linux/native.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";

const addon = join(process.cwd(), "build/cmake/Release/tcptop.node");
const native = createRequire(import.meta.url)(addon) as NativeAddon;
native.startBroker(join(process.cwd(), "build/cmake/Release/tcptop-broker"));

const SPEC: SourceSpec & { readonly object: string } = {
  object: "tracepoint",
  ring: { map: "events", recordBytes: RECORD.size },
  constants: { start_ns: 1n, udp_idle_ns: 5_000_000_000n },
  sizes: { tcp_flows: 1024, udp_flows: 1024, events: 65_536 },
  iterators: {
    [SWEEP_TCP]: { map: "tcp_flows", recordBytes: RECORD.size },
    [OWNERS]: { map: null, recordBytes: OWNER.size },
  },
  variables: { losses: LOSSES.size, unowned_flows: 8, walks: 4, report_all: 1 },
  conditions: { datagram_dropped: { parameters: 4 } },
};

/** Opening takes longer than a thousand calls: a source stays open until an input closes it. */
const sources: (NativeSource | null)[] = [null, null];

function isOpen(source: NativeSource): boolean {
  try {
    return source.has("walks");
  } catch {
    return false;
  }
}

function sourceOf(choices: Choices): NativeSource {
  const place = choices.below(sources.length);
  const known = sources[place] ?? null;
  const source = known !== null && isOpen(known) ? known : new native.Source(SPEC);
  sources[place] = source;
  return source;
}

class Boom extends Error {}

function boom(): never {
  throw new Boom("from JavaScript");
}

/** Values of every kind, among them objects whose reading throws, or closes the source that is being used. */
function anything(choices: Choices): unknown {
  const kinds: readonly (() => unknown)[] = [
    () => undefined,
    () => null,
    () => choices.flag(),
    () => choices.count(2 ** 64) * (choices.flag() ? 1 : -1),
    () => choices.pick([Number.NaN, Number.POSITIVE_INFINITY, -0, 0.5, 2 ** 31, 2 ** 32, -1, 1e308]),
    () => BigInt(choices.unsigned(6)) << 40n,
    () => choices.text(64),
    () => "x".repeat(choices.below(70_000)),
    () => "\ud800",
    () => Symbol("s"),
    () => boom,
    () => ({}),
    () => [],
    () => new Proxy({}, { get: boom, has: boom, getPrototypeOf: boom }),
    () => new Proxy(new Uint8Array(1024), { get: boom }),
    () => ({ valueOf: boom, toString: boom }),
    () => new Date(Number.NaN),
    () => Object.create(null),
    () => sources[0],
    () => memory(choices),
  ];
  return choices.pick(kinds)();
}

/** Memory to write to, of every kind there is. */
function memory(choices: Choices): unknown {
  const length = choices.flag() ? choices.below(8 * RECORD.size) : RECORD.size * choices.below(64);
  const kinds: readonly (() => unknown)[] = [
    () => new Uint8Array(length),
    () => new Uint8Array(new SharedArrayBuffer(length)),
    () => new Uint8Array(new ArrayBuffer(length + 9), choices.below(9), length),
    () => Buffer.alloc(length),
    () => new (class extends Uint8Array {})(length),
    () => new Uint8ClampedArray(length),
    () => new Float64Array(length),
    () => new DataView(new ArrayBuffer(length)),
    () => new ArrayBuffer(length),
    () => {
      const view = new Uint8Array(length);
      structuredClone(view.buffer, { transfer: [view.buffer] });
      return view;
    },
    () => {
      // TypeScript's library of ES2023 knows no buffers that change their size.
      const sizes = [length + 1, { maxByteLength: 2 * length + 2 }];
      const buffer = Reflect.construct(ArrayBuffer, sizes) as ArrayBuffer;
      const view = choices.flag() ? new Uint8Array(buffer) : new Uint8Array(buffer, 0, length);
      Reflect.apply(Reflect.get(buffer, "resize"), buffer, [choices.below(2 * length + 2)]);
      return view;
    },
  ];
  return choices.pick(kinds)();
}

/** What may come out of a call that is not answered: an Error with a text, or what JavaScript threw itself. */
function checkThrown(error: unknown): void {
  assert.ok(error instanceof Error, `threw ${String(error)}`);
  assert.ok(!(error instanceof assert.AssertionError), error.message);
  assert.equal(typeof error.message, "string");
  if (error instanceof Boom || error instanceof TypeError || error instanceof RangeError) return;
  const code: unknown = Reflect.get(error, "code");
  assert.ok(code === undefined || typeof code === "string");
}

/** The answer of a call, undefined if it throws as it may. */
function attempt(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    checkThrown(error);
    return undefined;
  }
}

/** Fills memory with a pattern around what a call may write, and looks that only that has changed. */
function checkFill(source: NativeSource, method: "drain" | "iterate", choices: Choices): void {
  const length = RECORD.size * choices.below(16) + choices.below(RECORD.size);
  const before = choices.below(64);
  const whole = new Uint8Array(before + length + 64).fill(0xa5);
  const to = whole.subarray(before, before + length);
  const written = attempt(() => (method === "drain" ? source.drain(to) : source.iterate(SWEEP_TCP, to)));
  const end = before + (typeof written === "number" ? written : 0);
  if (written !== undefined) {
    assert.ok(typeof written === "number" && written >= 0 && written <= length);
    assert.equal(written % RECORD.size, 0);
  } else assert.ok(length < RECORD.size, `${method} of ${length} bytes threw`);
  for (let i = 0; i < whole.length; i++) {
    if (i < before || i >= end) assert.equal(whole[i], 0xa5, `${method} wrote at ${i - before} of ${length}`);
  }
}

function hostileSpec(choices: Choices): unknown {
  if (choices.flag()) return anything(choices);
  // Only what is refused: a source that opens is one more way into the kernel.
  const spec: Record<string, unknown> = { ...SPEC, object: "nonsense" };
  const name = choices.pick(Object.keys(SPEC));
  const kind = choices.byte();
  if (kind < 0x60) spec[name] = anything(choices);
  else if (kind < 0xf0) spec[name] = { [choices.text(40)]: anything(choices), walks: anything(choices) };
  else {
    Object.defineProperty(spec, name, {
      get() {
        for (const source of sources) source?.close();
        return boom();
      },
    });
  }
  return spec;
}

const METHODS = [
  ...["drain", "iterate", "walk", "has", "read", "write", "skipped", "leftOut", "close"],
] as const;

function callWith(choices: Choices, pending: Promise<unknown>[]): void {
  // Closing is rare: opening again takes a thousand times as long as a call.
  const method = METHODS[choices.byte() === 0xff ? METHODS.length - 1 : choices.below(METHODS.length - 1)];
  assert.ok(method !== undefined);
  const receiver = choices.flag() ? sourceOf(choices) : anything(choices);
  const descriptor = Object.getOwnPropertyDescriptor(native.Source.prototype, method);
  const called: unknown = descriptor?.value ?? descriptor?.get;
  assert.ok(typeof called === "function");
  const args = Array.from({ length: choices.below(3) }, () =>
    choices.flag() ? anything(choices) : choices.pick([OWNERS, SWEEP_TCP, "walks", "losses", 7n]),
  );
  const answer = attempt(() => Reflect.apply(called, receiver, args));
  if (answer instanceof Promise) pending.push(answer);
}

function checkOwners(source: NativeSource, pending: Promise<unknown>[]): void {
  const owners = attempt(() => source.walk(OWNERS));
  if (!(owners instanceof Promise)) return;
  pending.push(owners.then((bytes: Uint8Array) => assert.equal(bytes.byteLength % OWNER.size, 0)));
}

function checkState(source: NativeSource): void {
  const losses = attempt(() => source.read("losses"));
  if (losses !== undefined) assert.equal((losses as Uint8Array).byteLength, LOSSES.size);
  const missed = attempt(() => source.skipped("consume"));
  assert.ok(missed === undefined || Number.isSafeInteger(missed));
  const leftOut = attempt(() => source.leftOut);
  assert.ok(leftOut === undefined || Array.isArray(leftOut));
}

function close(choices: Choices): void {
  const place = choices.below(sources.length);
  const source = sources[place];
  source?.close();
  if (source) checkState(source);
  sources[place] = null;
}

export const target: Target = {
  async run(input) {
    const choices = new Choices(input);
    const pending: Promise<unknown>[] = [];
    for (let step = 0; step < 24 && !choices.isOver; step++) {
      const kind = choices.byte();
      if (kind < 0x60) callWith(choices, pending);
      else if (kind < 0x90) checkFill(sourceOf(choices), choices.pick(["drain", "iterate"]), choices);
      else if (kind < 0xa8) attempt(() => Reflect.construct(native.Source, [hostileSpec(choices)]));
      else if (kind < 0xb8) attempt(() => Reflect.apply(native.hasReader, null, [anything(choices)]));
      else if (kind < 0xc0) attempt(() => Reflect.apply(native.Source, anything(choices), [SPEC]));
      else if (kind < 0xd8) checkState(sourceOf(choices));
      else if (kind < 0xfc) checkOwners(sourceOf(choices), pending);
      else close(choices);
    }
    const ends = await Promise.allSettled(pending);
    for (const end of ends) if (end.status === "rejected") checkThrown(end.reason);
  },
  maxBytes: 512,
};
