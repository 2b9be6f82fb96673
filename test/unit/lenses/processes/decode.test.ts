import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRecords } from "../../../../src/lenses/processes/decode.ts";
import { RECORD } from "../../../../src/lenses/processes/layout.gen.ts";
import { Flag, type ProcessRecord } from "../../../../src/lenses/processes/record.ts";
import { cgroupRecord, fileRecord, processRecord } from "../../../support/processes.ts";

function decode(bytes: Uint8Array) {
  const taken: unknown[] = [];
  const invalid = decodeRecords(bytes, {
    process: (record) => taken.push(record),
    cgroup: (id, path) => taken.push([id, path]),
    file: (record) => taken.push(record),
  });
  return { taken, invalid };
}

const EXEC = processRecord({
  kind: "exec",
  pid: 7,
  ppid: 3,
  timeMs: 10,
  ageMs: 4,
  cgroup: 5n,
  runtimeMs: 1,
  memoryBytes: 8192n,
  uid: 1000,
  name: "curl",
  tty: "pts3",
  words: ["curl", "", "a b"],
  executable: "/usr/bin/curl",
  directory: "/",
});

describe("records of processes", () => {
  test("come out as they went in, texts of any bytes", () => {
    const expected: ProcessRecord = {
      kind: 2,
      timeNs: 10e6,
      pid: 7,
      startNs: 7e6,
      ppid: 3,
      parentStartNs: 3e6,
      ageNs: 4e6,
      cgroupId: 5n,
      runtimeNs: 1e6,
      memoryBytes: 8192,
      uid: 1000,
      status: 0,
      flags: 0,
      process: "curl",
      tty: "pts3",
      arguments: ["curl", "", "a b"],
      executable: "/usr/bin/curl",
      directory: "/",
    };
    expect(decode(EXEC)).toEqual({ taken: [expected], invalid: 0 });
  });

  test("say nothing of arguments where these could not be read", () => {
    const record = processRecord({ kind: "exec", pid: 7, timeMs: 1, flags: Flag.argumentsUnread });
    expect(decode(record).taken).toMatchObject([{ arguments: null }]);
    expect(decode(processRecord({ kind: "exec", pid: 7, timeMs: 1 })).taken).toMatchObject([
      { arguments: [] },
    ]);
    expect(decode(processRecord({ kind: "fork", pid: 7, timeMs: 1 })).taken).toMatchObject([
      { arguments: null },
    ]);
  });

  test("of control groups and files have paths with the last name first", () => {
    const { taken, invalid } = decode(
      Buffer.concat([
        cgroupRecord(1n, "/"),
        cgroupRecord(2n, "/a.slice/b.service"),
        fileRecord({ pid: 7, timeMs: 1, path: "/tmp/a b", result: -2 }),
        fileRecord({ pid: 7, timeMs: 1, path: "../x", isAsked: true }),
      ]),
    );
    expect(invalid).toBe(0);
    expect(taken).toMatchObject([
      [1n, "/"],
      [2n, "/a.slice/b.service"],
      { path: "/tmp/a b", result: -2, isAsked: false },
      { path: "../x", result: 3, isAsked: true },
    ]);
  });

  test("that cannot be are counted, and what follows them is read", () => {
    const tooLong = Buffer.from(EXEC);
    tooLong.writeUInt16LE(60_000, RECORD.executable_bytes);
    const ofNoKind = Buffer.from(EXEC);
    ofNoKind.writeUInt8(77, 3);
    const ofAnotherLens = Buffer.from(EXEC);
    ofAnotherLens.writeUInt8(250, 2);
    const { taken, invalid } = decode(Buffer.concat([tooLong, ofNoKind, ofAnotherLens, EXEC]));
    expect([taken.length, invalid]).toEqual([1, 3]);
    expect(decode(EXEC.subarray(0, 40))).toEqual({ taken: [], invalid: 1 });
  });

  test("never fail, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(EXEC.length - 1), (noise, at) => {
        const bytes = Buffer.from(EXEC);
        bytes.set(noise.subarray(0, bytes.length - at), at);
        const { taken, invalid } = decode(bytes);
        expect(taken.length + invalid).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
