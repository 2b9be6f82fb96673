import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sanitise } from "../../../src/base/sanitise.ts";
import { NONE_SKIPPED } from "../../../src/core/losses.ts";
import { FIELDS } from "../../../src/lenses/flows/columns.ts";
import { NO_LOSSES } from "../../../src/lenses/flows/losses.ts";
import { csvHeaders, csvOutput } from "../../../src/sinks/csv.ts";
import { connection, snapshot, udpFlow } from "../../support/connections.ts";
import { flowsTable, summaryOf } from "../../support/lenses.ts";

const TABLE = flowsTable();
const HEADERS = csvHeaders(TABLE);
const AT = { wallMs: 0, nowNs: 5_000_000_000 };
const PROCESS_COLUMN = 2 + FIELDS.findIndex(({ key }) => key === "process");

/** Fields of one line as RFC 4180 reads them. */
function parse(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}

function lineOf(process: string): string {
  const owner = { pid: 1, process, uid: 0, cgroupId: null, startNs: null };
  return csvOutput(TABLE).events(TABLE, [{ event: "open", row: connection({ owner }) }], AT);
}

describe("CSV", () => {
  test.each([
    ["a formula", "=1+1", "'=1+1"],
    ["a plus", "+1", "'+1"],
    ["a minus", "-1", "'-1"],
    ["an at sign", "@SUM(A1)", "'@SUM(A1)"],
    ["a full-width equals sign", "＝1", "'＝1"],
    ["a tab, made visible", "\t=1", "\\x09=1"],
    ["a carriage return, made visible", "\r=1", "\\x0d=1"],
    ["a comma", "a,b", '"a,b"'],
    ["a quote", 'a"b', '"a""b"'],
    ["a formula with both", '=A("x",1)', '"\'=A(""x"",1)"'],
    ["an equals sign inside", "a=1", "a=1"],
    ["a leading apostrophe", "'=1", "'=1"],
  ])("a process name with %s", (_, name, encoded) => {
    expect(lineOf(name)).toBe(
      `1970-01-01T00:00:00.000Z,open,tcp,192.168.1.5,51234,140.82.112.3,443,1,${encoded},ESTABLISHED,` +
        "1200000000,3400,830000,17,42100000,340.25,23100,false,400,1500,2,2896,10,0,4026531840,,4000,false,false,1,\n",
    );
  });

  test("any process name comes back as it was shown, in a line with every field", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        const fields = parse(lineOf(name).slice(0, -1));
        expect(fields).toHaveLength(2 + FIELDS.length);
        expect(fields[PROCESS_COLUMN]?.replace(/^'(?=[=+\-@＝＋－＠])/, "")).toBe(sanitise(name));
        expect(fields[PROCESS_COLUMN]).not.toMatch(/^[=+\-@\t\r]/);
      }),
    );
  });

  const python = spawnSync("python3", ["--version"]);
  test.skipIf(python.status !== 0)(
    `names of every kind come back from Python's reader${python.status === 0 ? "" : ": needs python3"}`,
    () => {
      const names = [
        ...["=1+1", '=HYPERLINK("http://x","y")', "@SUM(A1)", "-2+3|cmd", "\u{ff1d}1", "\t=1", "'=1"],
        ...[
          "a,b",
          '"',
          '""',
          '",\n"',
          "a\r\nb",
          "\n",
          "\0",
          "\x1b[31m",
          "日本語",
          "\u{1f468}\u200d\u{1f469}",
        ],
        ...["\u202e=live", "\u2066a\u2069", "a\u0301", "\ud800", "\ufffd\ufffd", "\\x1b", " a ", ""],
        ...fc.sample(fc.string({ unit: "binary" }), { numRuns: 300, seed: 1 }),
      ];
      const reader = "import csv,json,sys; json.dump(list(csv.reader(sys.stdin, strict=True)), sys.stdout)";
      const { status, stdout } = spawnSync("python3", ["-X", "utf8", "-c", reader], {
        input: HEADERS.current + names.map(lineOf).join(""),
        encoding: "utf8",
      });
      expect(status).toBe(0);
      const [header, ...rows] = JSON.parse(stdout) as string[][];
      expect(header).toEqual(["time", "event", ...FIELDS.map(({ key }) => key)]);
      expect(rows.map(({ length }) => length)).toEqual(names.map(() => 2 + FIELDS.length));
      const read = rows.map((row) => row[PROCESS_COLUMN]);
      expect(read).toEqual(
        names
          .map(sanitise)
          .map((name) => (/^[=+\-@\uff1d\uff0b\uff0d\uff20]/.test(name) ? `'${name}` : name)),
      );
      for (const cell of read) expect(cell).toMatch(/^(?![=+\-@\uff1d\uff0b\uff0d\uff20])[^\p{Cc}]*$/u);
    },
    30_000,
  );

  test("the unknown is empty and a negative-looking number stays a number", () => {
    const row = udpFlow({ owner: null, rateIn: 0 });
    expect(csvOutput(TABLE).events(TABLE, [{ event: "close", row }], AT)).toBe(
      "1970-01-01T00:00:00.000Z,close,udp,10.0.0.2,40000,9.9.9.9,53,,,,120,40,1,1,0,40,,false,,,,,,,4026531840,,4000,,,1,\n",
    );
  });

  test("the header names every column, and summaries are left out", () => {
    const info = { version: "1", backend: "b", kernel: "k", stepDowns: [], facts: new Map() };
    expect(csvOutput(TABLE).start(info, AT)).toBe(`time,event,${FIELDS.map(({ key }) => key).join(",")}\n`);
    expect(csvOutput(TABLE).summary(summaryOf(snapshot()), NONE_SKIPPED, AT)).toBe("");
  });

  test("losses, which have no column, are told at the end", () => {
    const output = csvOutput(TABLE);
    const losses = { ...NO_LOSSES, closesLost: 2 };
    const later = (seconds: number) => ({ ...AT, wallMs: AT.wallMs + 1000 * seconds });
    expect(output.warning(summaryOf(snapshot()), NONE_SKIPPED, AT)).toBe("");
    output.summary(summaryOf(snapshot({ losses })), NONE_SKIPPED, later(1));
    output.summary(summaryOf(snapshot({ losses })), { refreshesSkipped: 1, eventsSkipped: 9 }, later(2));
    expect(
      output.warning(summaryOf(snapshot({ losses })), { refreshesSkipped: 7, eventsSkipped: 9 }, later(3)),
    ).toBe(
      "warning: incomplete, last at 00:00:02: 2 connections ended without final totals; " +
        "9 events not written, the reader was too slow\n",
    );
  });

  test("what was only late is no loss", () => {
    const losses = { ...NO_LOSSES, recordsDeferred: 200_113 };
    expect(
      csvOutput(TABLE).warning(
        summaryOf(snapshot({ losses })),
        { refreshesSkipped: 3, eventsSkipped: 0 },
        AT,
      ),
    ).toBe("");
  });
});

test("the header begins with what every version's begins with", () => {
  expect(HEADERS.current.startsWith(`${HEADERS.oldest},`)).toBe(true);
  expect(HEADERS.oldest.split(",").at(-1)).toBe("partial");
});
