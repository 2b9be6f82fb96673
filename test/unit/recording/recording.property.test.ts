/** What is written is read; what is cut, flipped or foreign is noticed. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddress } from "../../../src/base/address.ts";
import { ExitError } from "../../../src/base/errors.ts";
import { FLOW_COUNTERS, LOSS_NAMES, type Losses, NO_LOSSES } from "../../../src/lenses/flows/losses.ts";
import { decodeOperation } from "../../../src/lenses/flows/operations.ts";
import { IPPROTO_TCP, IPPROTO_UDP, isFlow, type SeedEntry } from "../../../src/lenses/flows/record.ts";
import { decodeHead, HEAD_BYTES, MAGIC } from "../../../src/recording/format.ts";
import { type Call, INFO, memorySource, readAll, record } from "../../support/recordings.ts";
import { encodeRecords, seedEntry } from "../../support/records.ts";

const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatAddress(bytes));
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const port = fc.integer({ min: 0, max: 65_535 });
const count = fc.oneof(fc.maxSafeNat(), fc.constant(2 ** 64));
/** A name as the decoder makes it of 15 bytes. */
const name = fc.uint8Array({ maxLength: 15 }).map((bytes) => Buffer.from(bytes).toString("utf8"));

const entry: fc.Arbitrary<SeedEntry> = fc.record({
  proto: fc.constantFrom<6 | 17>(IPPROTO_TCP, IPPROTO_UDP),
  state: fc.integer({ min: 0, max: 13 }),
  localAddress: address,
  localPort: port,
  remoteAddress: address,
  remotePort: port,
  uid: u32,
  inode: fc.maxSafeNat(),
  netns: u32,
  owner: fc.option(
    fc.record({
      pid: u32,
      process: name,
      uid: fc.option(u32),
      cgroupId: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      startNs: fc.option(fc.maxSafeNat()),
    }),
  ),
});

const losses = fc.array(count, { minLength: LOSS_NAMES.length, maxLength: LOSS_NAMES.length }).map(
  (counts): Losses => ({
    ...NO_LOSSES,
    ...Object.fromEntries(LOSS_NAMES.map((name, i) => [name, counts[i]])),
  }),
);

const before: fc.Arbitrary<Call> = fc.oneof(
  fc
    .tuple(fc.maxSafeNat(), fc.array(entry.filter(isFlow), { minLength: 1, maxLength: 5 }))
    .map(([nowNs, entries]): Call => ["seed", nowNs, ...entries]),
  fc
    .tuple(fc.maxSafeNat(), fc.array(fc.maxSafeNat(), { maxLength: 9 }))
    .map(([nowNs, keys]): Call => ["unmet", nowNs, ...keys]),
  fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map(([nowNs, sinceNs]): Call => ["silent", nowNs, sinceNs]),
  fc.uint8Array({ maxLength: 400 }).map((bytes): Call => ["records", Buffer.from(bytes).toString("hex")]),
);

/** Calls in an order that the loop could make, each refresh not before the one before it. */
const history = fc
  .array(fc.tuple(fc.array(before, { maxLength: 4 }), fc.nat(5e9), fc.maxSafeNat(), losses), { maxLength: 6 })
  .map((refreshes): Call[] => {
    let nowNs = 0;
    return refreshes.flatMap(([calls, stepNs, wallMs, lost]) => {
      nowNs += stepNs;
      return [...calls, ["refresh", nowNs, wallMs % 8.64e15, lost] as const];
    });
  });

const TWO = seedEntry({ localAddress: "2001:db8::7", remoteAddress: "::1", localPort: 7, uid: 9 });
const LISTENER = seedEntry({
  state: 10,
  localAddress: "::",
  localPort: 22,
  remoteAddress: "::",
  remotePort: 0,
  owner: { pid: 1, process: "sshd \ufffd日\x1b", uid: null, cgroupId: 2n ** 63n, startNs: null },
});

const RECORDS = Buffer.from(encodeRecords({ id: 1n }, { id: 2n, process: "curl" })).toString("hex");

const SAMPLE: readonly Call[] = [
  ["seed", 1_000_000_001, TWO],
  ["sockets", LISTENER],
  ["refresh", 2e9, 1_795_262_666_007, NO_LOSSES],
  ["records", RECORDS],
  ["records", RECORDS],
  ["refresh", 3e9, 1_795_262_667_007, { ...NO_LOSSES, closesLost: 2 }],
  ["sockets"],
  ["refresh", 4e9, 1_795_262_668_007, NO_LOSSES],
];

/** Where each frame ends, the first one's end first. */
function frameEnds(file: Buffer): number[] {
  const ends: number[] = [];
  for (let at = MAGIC.length; at < file.length; ) {
    at += HEAD_BYTES + decodeHead(file.subarray(at, at + HEAD_BYTES)).bytes;
    ends.push(at);
  }
  return ends;
}

/** The calls of the first refreshes. */
function callsOf(refreshes: number): readonly Call[] {
  const ends = SAMPLE.flatMap(([kind], i) => (kind === "refresh" ? [i + 1] : []));
  return SAMPLE.slice(0, refreshes === 0 ? 0 : ends[refreshes - 1]);
}

describe("what is written", () => {
  test("is read, in its order", async () => {
    const read = await readAll(memorySource(record(SAMPLE)));
    expect(read).toEqual({ info: INFO, calls: SAMPLE, isUnfinished: false, error: null });
  });

  test("is read, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.boolean(), async (calls, isSeekable) => {
        const read = await readAll(memorySource(record(calls), isSeekable));
        expect(read).toEqual({ info: INFO, calls, isUnfinished: false, error: null });
      }),
    );
  });
});

describe("damage", () => {
  test("cut at every byte, each whole refresh before is read and the rest is missed", async () => {
    const file = record(SAMPLE);
    const ends = frameEnds(file);
    for (let length = 0; length < file.length; length++) {
      const whole = ends.filter((end) => end <= length).length;
      const read = await readAll(memorySource(file.subarray(0, length)));
      if (whole === 0) {
        const exitCode = length < MAGIC.length ? 64 : 74;
        expect(read).toMatchObject({ calls: [], error: expect.objectContaining({ exitCode }) });
        expect(read.error).toBeInstanceOf(ExitError);
        continue;
      }
      expect(read).toEqual({
        info: INFO,
        calls: callsOf(whole - 1),
        isUnfinished: !ends.includes(length),
        error: null,
      });
    }
  });

  test("no flipped bit passes: each whole refresh before is read, then one line tells where", async () => {
    const file = record(SAMPLE);
    const ends = frameEnds(file);
    for (let at = 0; at < file.length; at++) {
      for (const bit of [0, 3, 7]) {
        const damaged = Buffer.from(file);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        const read = await readAll(memorySource(damaged));
        const whole = ends.filter((end) => end <= at).length;
        expect(read.calls).toEqual(callsOf(Math.max(0, whole - 1)));
        expect(read.error).toBeInstanceOf(ExitError);
        const start = [MAGIC.length, ...ends].findLast((end) => end <= at);
        expect((read.error as ExitError).message).toMatch(
          start === undefined ? /^memory is not a recording/ : new RegExp(`^memory: byte ${start}: `),
        );
      }
    }
  });

  test("counters that an older recording has not are unknown, those of a newer one are left out", () => {
    const counts = Buffer.alloc(24);
    counts.writeDoubleLE(7, 8);
    const nothing = Object.fromEntries(LOSS_NAMES.map((name) => [name, null]));
    expect(decodeOperation(4, counts, ["closes_lost", "of_tomorrow", "flows_untracked"])).toEqual({
      kind: "losses",
      losses: { ...nothing, closesLost: 0, flowsUntracked: 0 },
    });
    expect(
      decodeOperation(4, counts.subarray(0, 16), ["closes_lost", "records_invalid", "bytes_untracked"]),
    ).toEqual({
      kind: "losses",
      losses: { ...nothing, closesLost: 0, recordsInvalid: 7 },
    });
  });

  test("random contents never crash the reader of an operation", () => {
    const keys = FLOW_COUNTERS.map(({ key }) => key);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 200 }), (code, bytes) => {
        try {
          const operation = decodeOperation(code, Buffer.from(bytes), keys);
          expect(operation === null).toBe(code < 1 || code > 6);
        } catch (error) {
          expect((error as Error).constructor.name).toBe("DamageError");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
