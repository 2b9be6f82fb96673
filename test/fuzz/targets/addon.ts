/** The addon called with anything: it answers, or throws an Error, and writes only where it may. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { LOSSES, OWNER, RECORD } from "../../../src/lenses/flows/layout.gen.ts";
import type { NativeAddon, Session, SessionOptions } from "../../../src/platform/linux/native.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";

const addon = join(process.cwd(), "build/cmake/Release/tcptop.node");
const native = createRequire(import.meta.url)(addon) as NativeAddon;

const OPTIONS: SessionOptions = {
  backend: "auto",
  udpIdleNs: 5e9,
  maxTcpFlows: 1024,
  maxUdpFlows: 1024,
  ringBytes: 65_536,
};

/** Opening takes longer than a thousand calls: a session stays open until an input closes it. */
const sessions: (Session | null)[] = [null, null];

function isOpen(session: Session): boolean {
  try {
    return session.backend !== "";
  } catch {
    return false;
  }
}

function sessionOf(choices: Choices): Session {
  const place = choices.below(sessions.length);
  const known = sessions[place] ?? null;
  const session = known !== null && isOpen(known) ? known : new native.Session(OPTIONS);
  sessions[place] = session;
  return session;
}

class Boom extends Error {}

function boom(): never {
  throw new Boom("from JavaScript");
}

/** Values of every kind, among them objects whose reading throws, or closes the session that is being used. */
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
    () => sessions[0],
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
function checkFill(session: Session, method: "drain" | "sweep" | "sweepAll", choices: Choices): void {
  const length = RECORD.size * choices.below(16) + choices.below(RECORD.size);
  const before = choices.below(64);
  const whole = new Uint8Array(before + length + 64).fill(0xa5);
  const written = attempt(() => session[method](whole.subarray(before, before + length)));
  const end = before + (typeof written === "number" ? written : 0);
  if (written !== undefined) {
    assert.ok(typeof written === "number" && written >= 0 && written <= length);
    assert.equal(written % RECORD.size, 0);
  } else assert.ok(length < RECORD.size, `${method} of ${length} bytes threw`);
  for (let i = 0; i < whole.length; i++) {
    if (i < before || i >= end) assert.equal(whole[i], 0xa5, `${method} wrote at ${i - before} of ${length}`);
  }
}

function hostileOptions(choices: Choices): unknown {
  if (choices.flag()) return anything(choices);
  const options: Record<string, unknown> = { ...OPTIONS, backend: "nonsense" };
  const name = choices.pick(Object.keys(OPTIONS));
  if (choices.byte() < 0xf0) options[name] = anything(choices);
  else {
    Object.defineProperty(options, name, {
      get() {
        for (const session of sessions) session?.close();
        return boom();
      },
    });
  }
  // Only what is refused: a session that opens is one more way into the kernel.
  return options;
}

const METHODS = [
  ...["drain", "sweep", "sweepAll", "owners", "losses", "unowned", "backend", "stepDowns", "close"],
] as const;

function callWith(choices: Choices, pending: Promise<unknown>[]): void {
  // Closing is rare: opening again takes a thousand times as long as a call.
  const method = METHODS[choices.byte() === 0xff ? METHODS.length - 1 : choices.below(METHODS.length - 1)];
  assert.ok(method !== undefined);
  const receiver = choices.flag() ? sessionOf(choices) : anything(choices);
  const descriptor = Object.getOwnPropertyDescriptor(native.Session.prototype, method);
  const called: unknown = descriptor?.value ?? descriptor?.get;
  assert.ok(typeof called === "function");
  const args = Array.from({ length: choices.below(3) }, () => anything(choices));
  const answer = attempt(() => Reflect.apply(called, receiver, args));
  if (answer instanceof Promise) pending.push(answer);
}

function checkOwners(session: Session, pending: Promise<unknown>[]): void {
  const owners = attempt(() => session.owners());
  if (!(owners instanceof Promise)) return;
  pending.push(owners.then((bytes: Uint8Array) => assert.equal(bytes.byteLength % OWNER.size, 0)));
}

function checkState(session: Session): void {
  const losses = attempt(() => session.losses());
  if (losses !== undefined) assert.equal((losses as Uint8Array).byteLength, LOSSES.size);
  const unowned = attempt(() => session.unowned());
  assert.ok(unowned === undefined || Number.isSafeInteger(unowned));
  const backend = attempt(() => session.backend);
  assert.ok(backend === undefined || typeof backend === "string");
  const stepDowns = attempt(() => session.stepDowns);
  assert.ok(stepDowns === undefined || Array.isArray(stepDowns));
}

function close(choices: Choices): void {
  const place = choices.below(sessions.length);
  const session = sessions[place];
  session?.close();
  if (session) checkState(session);
  sessions[place] = null;
}

export const target: Target = {
  async run(input) {
    const choices = new Choices(input);
    const pending: Promise<unknown>[] = [];
    for (let step = 0; step < 24 && !choices.isOver; step++) {
      const kind = choices.byte();
      if (kind < 0x60) callWith(choices, pending);
      else if (kind < 0x90)
        checkFill(sessionOf(choices), choices.pick(["drain", "sweep", "sweepAll"]), choices);
      else if (kind < 0xa8) attempt(() => Reflect.construct(native.Session, [hostileOptions(choices)]));
      else if (kind < 0xb8) attempt(() => Reflect.apply(native.hasReader, null, [anything(choices)]));
      else if (kind < 0xc0) attempt(() => Reflect.apply(native.Session, anything(choices), [OPTIONS]));
      else if (kind < 0xd8) checkState(sessionOf(choices));
      else if (kind < 0xfc) checkOwners(sessionOf(choices), pending);
      else close(choices);
    }
    const ends = await Promise.allSettled(pending);
    for (const end of ends) if (end.status === "rejected") checkThrown(end.reason);
  },
  maxBytes: 512,
};
