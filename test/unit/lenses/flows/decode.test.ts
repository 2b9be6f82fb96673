import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HEAD } from "../../../../src/core/head.gen.ts";
import { decodeLosses, decodeOwners, decodeRecords } from "../../../../src/lenses/flows/decode.ts";
import { headlessForm } from "../../../../src/lenses/flows/form.ts";
import { LOSSES, OWNER, RECORD } from "../../../../src/lenses/flows/layout.gen.ts";
import { LOSS_NAMES } from "../../../../src/lenses/flows/losses.ts";
import { type FlowRecord, IPPROTO_UDP, RecordFlag, RecordKind } from "../../../../src/lenses/flows/record.ts";
import { copyRecord, encodeRecords, type RecordFields, recordFields } from "../../../support/records.ts";

function decodeAll(batch: Uint8Array): { records: RecordFields[]; invalid: number } {
  const records: RecordFields[] = [];
  const invalid = decodeRecords(batch, (record) => records.push(copyRecord(record)));
  return { records, invalid };
}

const FULL: RecordFields = {
  kind: RecordKind.totals,
  id: 0xfedc_ba98_7654_3210n,
  timeNs: 2 ** 53 - 1,
  openedNs: 0x1_0000_0001,
  activeNs: 0x2_0000_0002,
  proto: 6,
  state: 12,
  flags: RecordFlag.partial + RecordFlag.minRtt + 0x8000_0000,
  bytesIn: 0x3_0000_0003,
  bytesOut: 0x4_8000_0004,
  packetsIn: 0xffff_ffff,
  packetsOut: 0x5_0000_0005,
  bytesRetrans: 0x6_0000_0006,
  cgroupId: 0xffff_ffff_ffff_ffffn,
  srttUs: 0xffff_ffff,
  rttvarUs: 1,
  minRttUs: 2,
  retransmits: 3,
  sndCwnd: 4,
  pid: 4_194_304,
  uid: 0xffff_fffe,
  netns: 0xf000_0001,
  inode: 0xffff_fffd,
  processStartNs: 0x7_0000_0007,
  localPort: 65_535,
  remotePort: 1,
  localAddress: "2001:db8::7",
  remoteAddress: "10.0.0.1",
  process: "tester-ünï",
};

/** A record as versions 1 and 2 wrote it: of fields in another order, and without a head. */
function headless(version: number, fields: RecordFields): Buffer {
  const now = Buffer.from(encodeRecords(fields));
  const old = Buffer.alloc(version === 1 ? 176 : 184);
  now.copy(old, 0, RECORD.id, RECORD.id + 8);
  now.copy(old, 8, HEAD.time_ns, HEAD.time_ns + 8);
  now.copy(old, 16, RECORD.opened_ns, RECORD.proto);
  old.set([version, fields.kind, fields.proto, fields.state], 148);
  now.copy(old, 152, RECORD.flags);
  return old;
}

/** How many records a batch has, by the sizes that they say; bytes in which none can be found count as one. */
function recordsIn(batch: Uint8Array): number {
  let records = 0;
  for (let rest = batch; rest.length > 0; records++) {
    const size = rest.length < 16 ? 0 : new DataView(rest.buffer, rest.byteOffset).getUint16(0, true);
    rest = size < 16 ? rest.subarray(rest.length) : rest.subarray(size);
  }
  return records;
}

describe("decodeRecords", () => {
  test("reads every field of every record, at any alignment", () => {
    const second = recordFields({ id: 2n, proto: IPPROTO_UDP, state: 0, process: "sixteen-bytes-16" });
    const batch = encodeRecords(FULL, second);
    for (let shift = 0; shift < 9; shift++) {
      const shifted = new Uint8Array(batch.length + shift).subarray(shift);
      shifted.set(batch);
      expect(decodeAll(shifted)).toEqual({ records: [FULL, second], invalid: 0 });
    }
  });

  test("hands over one object that moves along", () => {
    const seen = new Set<object>();
    decodeRecords(encodeRecords({ id: 1n }, { id: 2n }, { id: 3n }), (record) => seen.add(record));
    expect(seen.size).toBe(1);
  });

  test("an empty batch holds nothing", () => {
    expect(decodeAll(new Uint8Array())).toEqual({ records: [], invalid: 0 });
  });

  test.each([
    ["lens 2", HEAD.lens, 2],
    ["kind 0", HEAD.kind, 0],
    ["kind 7", HEAD.kind, 7],
    ["proto 1", RECORD.proto, 1],
    ["proto 17 with a TCP state", RECORD.proto, 17],
    ["TCP without state", RECORD.state, 0],
    ["state 14", RECORD.state, 14],
    ["state 255", RECORD.state, 255],
  ])("drops and counts a record with %s and goes on", (_, offset, value) => {
    const batch = encodeRecords({ id: 1n }, { id: 2n }, { id: 3n });
    batch[RECORD.size + offset] = value;
    const { records, invalid } = decodeAll(batch);
    expect(records.map(({ id }) => id)).toEqual([1n, 3n]);
    expect(invalid).toBe(1);
  });

  test.each([1, 8, RECORD.size - 1])("%i trailing bytes are one invalid record", (surplus) => {
    const whole = encodeRecords({ id: 1n }, { id: 2n });
    const { records, invalid } = decodeAll(whole.subarray(0, RECORD.size + surplus));
    expect(records.map(({ id }) => id)).toEqual([1n]);
    expect(invalid).toBe(1);
  });

  test("a name ends at its NUL and shows what is not UTF-8", () => {
    const batch = encodeRecords({ process: "curl" });
    batch.set([0xff, 0x61, 0xc3, 0x00, 0x62], RECORD.process);
    expect(decodeAll(batch).records[0]?.process).toBe("\ufffda\ufffd");
  });

  test("steps over records of other lenses and of other sizes, and over what stands behind a record", () => {
    const [own, newer] = [encodeRecords({ id: 1n }), encodeRecords({ id: 2n })];
    const foreign = new Uint8Array(48);
    new DataView(foreign.buffer).setUint16(HEAD.size, 48, true);
    foreign[HEAD.lens] = 250;
    const shorter = own.slice(0, RECORD.size - 8);
    const longer = Buffer.concat([newer, Buffer.alloc(24, 0xff)]);
    for (const bytes of [shorter, longer])
      new DataView(bytes.buffer, bytes.byteOffset).setUint16(HEAD.size, bytes.length, true);
    new DataView(longer.buffer, longer.byteOffset).setUint16(HEAD.abi, 4, true);
    const { records, invalid } = decodeAll(Buffer.concat([foreign, shorter, longer, own]));
    expect([records.map(({ id }) => id), invalid]).toEqual([[2n, 1n], 2]);
  });

  test.each([0, 15, 8 * RECORD.size])(
    "behind a record that says it has %i bytes nothing is found",
    (size) => {
      const batch = encodeRecords({ id: 1n }, { id: 2n }, { id: 3n });
      new DataView(batch.buffer).setUint16(RECORD.size + HEAD.size, size, true);
      const { records, invalid } = decodeAll(batch);
      expect([records.map(({ id }) => id), invalid]).toEqual([[1n], 1]);
    },
  );

  test("records of versions 1 and 2 have no head, those of version 1 no start of the process", () => {
    const fields = { ...FULL, processStartNs: 0x7_0000_0007 };
    for (const [version, size, processStartNs] of [
      [1, 176, 0],
      [2, 184, fields.processStartNs],
    ] as const) {
      const batch = Buffer.concat([headless(version, fields), headless(version, { ...fields, id: 2n })]);
      const records: RecordFields[] = [];
      const take = (record: FlowRecord) => records.push(copyRecord(record));
      expect(batch.length).toBe(2 * size);
      expect(decodeRecords(batch, take, headlessForm(version) ?? undefined)).toBe(0);
      expect(records).toEqual([
        { ...fields, processStartNs },
        { ...fields, id: 2n, processStartNs },
      ]);
      batch[148] = 3;
      expect(
        decodeRecords(batch.subarray(0, 2 * size - 1), () => {}, headlessForm(version) ?? undefined),
      ).toBe(2);
    }
    expect(headlessForm(3)).toBe(null);
  });

  test("arbitrary bytes never throw, and every record is delivered or counted", () => {
    const byte = fc.oneof(fc.nat(255), fc.constant(0), fc.constant(1), fc.constant(6));
    const spoil = fc.array(fc.tuple(fc.nat(RECORD.size * 4), byte), { maxLength: 12 });
    const nearlyValid = fc.tuple(fc.nat(4), fc.nat(RECORD.size - 1), spoil).map(([count, cut, changes]) => {
      const batch = encodeRecords(...Array.from({ length: count }, () => FULL));
      for (const [at, value] of changes) if (at < batch.length) batch[at] = value;
      return batch.subarray(0, Math.max(0, batch.length - cut));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 3 * RECORD.size }), nearlyValid), (batch) => {
        const { records, invalid } = decodeAll(batch);
        expect(records.length + invalid).toBe(recordsIn(batch));
        decodeOwners(batch);
      }),
    );
  });
});

function encodeOwner(inode: bigint, pid: number, uid: number, cgroupId: bigint, process: string): Buffer {
  const bytes = Buffer.alloc(OWNER.size);
  new BigUint64Array(bytes.buffer, bytes.byteOffset, 2).set([inode, cgroupId]);
  new Uint32Array(bytes.buffer, bytes.byteOffset + OWNER.pid, 2).set([pid, uid]);
  bytes.write(process, OWNER.process);
  return bytes;
}

describe("decodeOwners", () => {
  test("names the lowest pid that holds a socket, whatever the order", () => {
    const batch = Buffer.concat([
      encodeOwner(7n, 30, 1000, 5n, "child"),
      encodeOwner(0x1_0000_0007n, 99, 4_294_967_294, 0n, "other"),
      encodeOwner(7n, 20, 0, 6n, "parent"),
      encodeOwner(7n, 25, 1, 7n, "sibling"),
      Buffer.alloc(OWNER.size - 1, 1),
    ]);
    expect(decodeOwners(batch)).toEqual(
      new Map([
        [7, { pid: 20, process: "parent", uid: 0, cgroupId: 6n, startNs: null }],
        [0x1_0000_0007, { pid: 99, process: "other", uid: 4_294_967_294, cgroupId: null, startNs: null }],
      ]),
    );
  });
});

describe("decodeLosses", () => {
  test("reads every counter", () => {
    const counts = Array.from({ length: LOSSES.size / 8 }, (_, i) => 2n ** 40n + BigInt(i));
    const losses = decodeLosses(new Uint8Array(BigUint64Array.from(counts).buffer));
    expect(Object.values(losses)).toEqual(counts.map(Number));
    expect(losses.bytesUntracked).toBe(2 ** 40 + LOSSES.bytes_untracked / 8);
    expect(LOSS_NAMES).toEqual(expect.arrayContaining(Object.keys(losses)));
  });

  test("refuses fewer bytes", () => {
    expect(() => decodeLosses(new Uint8Array(LOSSES.size - 1))).toThrow(RangeError);
  });
});
