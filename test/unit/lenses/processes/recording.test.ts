/** What is recorded of processes plays again; what cannot be is refused with the field's name. */
import { describe, expect, test } from "vitest";
import { FieldWriter } from "../../../../src/base/field-writer.ts";
import { NO_LOSSES } from "../../../../src/lenses/processes/losses.ts";
import type { ProcessOperation } from "../../../../src/lenses/processes/operation.ts";
import { OpCode, readOperation } from "../../../../src/lenses/processes/operations.ts";
import { PROCESSES_FORM, ProcessPlayer } from "../../../../src/lenses/processes/player.ts";
import { ProcessRecorder } from "../../../../src/lenses/processes/recorder.ts";
import { processRecord } from "../../../support/processes.ts";

/** Operations as a recording has them. */
function recorded(...operations: ProcessOperation[]) {
  const written: (readonly [code: number, bytes: Buffer])[] = [];
  const take = (code: number, mostBytes: number, write: (fields: FieldWriter) => void) => {
    const fields = new FieldWriter();
    fields.reserve(mostBytes);
    write(fields);
    expect(fields.bytes).toBeLessThanOrEqual(mostBytes);
    written.push([code, fields.take()]);
  };
  const recorder = new ProcessRecorder({
    operation: take,
    last: (code, most, _, write) => take(code, most, write),
  });
  for (const operation of operations) recorder.write(operation);
  recorder.refresh({ nowNs: 1e9, wallMs: 0 }, { ...NO_LOSSES, execsLost: 7 });
  return written;
}

const OPERATIONS: readonly ProcessOperation[] = [
  { kind: "records", bytes: processRecord({ kind: "found", pid: 10, timeMs: 1, ageMs: 10, name: "bash" }) },
  { kind: "arguments", pid: 10, startNs: 10e6, words: ["-bash", "", "ü"], isCut: true },
  { kind: "arguments", pid: 10, startNs: 10e6, words: [], isCut: false },
  { kind: "silent", nowNs: 4, sinceNs: 3 },
];

const HEAD = { ...PROCESSES_FORM, facts: {}, isLittleEndian: true, startNs: 0 };

describe("operations", () => {
  test("come out as they went in", () => {
    const read = recorded(...OPERATIONS).map(([code, bytes]) => readOperation(code, bytes));
    expect(read).toEqual([...OPERATIONS, { kind: "losses", losses: { ...NO_LOSSES, execsLost: 7 } }]);
  });

  test("play into a model of their own", () => {
    const player = new ProcessPlayer(HEAD);
    for (const [code, bytes] of recorded(...OPERATIONS.slice(0, 2)))
      expect(player.apply(code, bytes)).toBe(true);
    const { processes, losses } = player.refresh({ nowNs: 1e9, wallMs: 0 });
    expect(processes).toMatchObject([
      { pid: 10, name: "bash", arguments: ["-bash", "", "ü"], isExisting: true },
    ]);
    expect(losses.execsLost).toBe(7);
    expect(player.apply(200, Buffer.alloc(3))).toBe(false);
  });

  test.each([
    ["start_ns", OpCode.arguments, Buffer.alloc(14, 0xff), /has_words is neither/],
    ["words", OpCode.arguments, Buffer.alloc(5), /words reaches past the end/],
    ["since_ns", OpCode.silent, Buffer.alloc(8), /since_ns reaches past the end/],
    [
      "now_ns",
      OpCode.silent,
      Buffer.from([0, 0, 0, 0, 0, 0, 0xf8, 0xff, ...Buffer.alloc(8)]),
      /now_ns is not a whole/,
    ],
  ])("with a damaged %s are refused", (_, code, bytes, message) => {
    expect(() => readOperation(code, bytes)).toThrow(message);
  });
});

describe("the head of a recording", () => {
  test("without processes plays as none", () => {
    expect(new ProcessPlayer(null).refresh({ nowNs: 1, wallMs: 0 }).processes).toEqual([]);
  });

  test.each([
    ["records of a later form", { ...HEAD, abi: 2 }, /another form/],
    [
      "records with other fields",
      { ...HEAD, schema: { ...HEAD.schema, record: { size: 8, fields: {} } } },
      /another form/,
    ],
    ["no schema", { ...HEAD, schema: null }, /another form/],
    ["counters that are no names", { ...HEAD, schema: { ...HEAD.schema, losses: [1] } }, /another form/],
  ])("with %s is refused", (_, head, message) => {
    expect(() => new ProcessPlayer(head)).toThrow(message);
  });
});
