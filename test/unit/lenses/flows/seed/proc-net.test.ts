import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NET_TABLES, type NetTable, ProcNetParser } from "../../../../../src/lenses/flows/seed/proc-net.ts";

const [TCP, TCP6, UDP, UDP6] = NET_TABLES as [NetTable, NetTable, NetTable, NetTable];
const NETNS = 4_026_531_840;

const TCP_HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     ";
const TCP6_HEADER =
  "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const UDP_HEADER =
  "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             ";

const LISTENER =
  "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 639 1 0000000085d72c38 100 0 0 10 0                       ";
const ESTABLISHED =
  "   1: 050200C0:C822 707152CB:01BB 01 00000024:00000000 01:00000017 00000000  1000        0 4294967295 4 00000000f09ce21a 24 4 31 10 -1                ";
const TIME_WAIT =
  "  12: 050200C0:9BEC 507100CB:0050 06 00000000:00000000 03:00001768 00000000     0        0 0 3 00000000abcdef01                                      ";
const FIN_WAIT2_IN_TIME_WAIT = TIME_WAIT.replace(" 06 ", " 05 ");
const ORPHAN = ESTABLISHED.replace(" 01 ", " 05 ").replace(" 4294967295 ", " 0 ");
const TCP6_LINE =
  "   3: B80D0120000000000000000007000000:C822 B80D0120000000000000010001000000:01BB 08 00000000:00000001 00:00000000 00000000 65534        0 77 1 0000000000000000 20 4 30 10 -1";
const TCP6_MAPPED =
  "   4: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 78 1 0000000000000000 20 4 30 10 -1";
const UDP_LINE =
  "  512: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 18765 2 00000000d3a3b1a2 0          ";
const UDP_CONNECTED = UDP_LINE.replace("00000000:0000 07", "08080808:0035 01");

function parse(table: NetTable, text: string | Uint8Array, chunkBytes = 4096) {
  const parser = new ProcNetParser(table, NETNS);
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  parser.end();
  return { rows: parser.rows, linesSkipped: parser.linesSkipped };
}

const lines = (...all: string[]): string => all.map((line) => `${line}\n`).join("");

describe("rows", () => {
  test("of tcp", () => {
    expect(
      parse(TCP, lines(TCP_HEADER, LISTENER, ESTABLISHED, TIME_WAIT, FIN_WAIT2_IN_TIME_WAIT, ORPHAN)),
    ).toEqual({
      linesSkipped: 0,
      rows: [
        {
          proto: 6,
          state: 10,
          localAddress: "0.0.0.0",
          localPort: 22,
          remoteAddress: "0.0.0.0",
          remotePort: 0,
          uid: 0,
          inode: 639,
          netns: NETNS,
          owner: null,
        },
        {
          proto: 6,
          state: 1,
          localAddress: "192.0.2.5",
          localPort: 51_234,
          remoteAddress: "203.82.113.112",
          remotePort: 443,
          uid: 1000,
          inode: 4_294_967_295,
          netns: NETNS,
          owner: null,
        },
        {
          proto: 6,
          state: 6,
          localAddress: "192.0.2.5",
          localPort: 39_916,
          remoteAddress: "203.0.113.80",
          remotePort: 80,
          uid: 0,
          inode: 0,
          netns: NETNS,
          owner: null,
        },
        expect.objectContaining({ state: 6, remotePort: 80 }),
        expect.objectContaining({ state: 5, remotePort: 443, inode: 0 }),
      ],
    });
  });

  test("of tcp6, mapped addresses as IPv4", () => {
    expect(parse(TCP6, lines(TCP6_HEADER, TCP6_LINE, TCP6_MAPPED))).toEqual({
      linesSkipped: 0,
      rows: [
        {
          proto: 6,
          state: 8,
          localAddress: "2001:db8::7",
          localPort: 51_234,
          remoteAddress: "2001:db8::1:0:0:1",
          remotePort: 443,
          uid: 65_534,
          inode: 77,
          netns: NETNS,
          owner: null,
        },
        {
          proto: 6,
          state: 1,
          localAddress: "127.0.0.1",
          localPort: 8080,
          remoteAddress: "127.0.0.2",
          remotePort: 50_000,
          uid: 0,
          inode: 78,
          netns: NETNS,
          owner: null,
        },
      ],
    });
  });

  test("of udp and udp6", () => {
    const udp = parse(UDP, lines(UDP_HEADER, UDP_LINE, UDP_CONNECTED));
    expect(udp.rows).toEqual([
      expect.objectContaining({
        proto: 17,
        state: 7,
        localAddress: "127.0.0.53",
        localPort: 53,
        remotePort: 0,
      }),
      expect.objectContaining({
        proto: 17,
        state: 1,
        remoteAddress: "8.8.8.8",
        remotePort: 53,
        uid: 101,
        inode: 18_765,
      }),
    ]);
    const udp6 = parse(UDP6, lines(TCP6_HEADER, TCP6_LINE.replace(" 08 ", " 07 ")));
    expect(udp6).toMatchObject({
      rows: [{ proto: 17, state: 7, localAddress: "2001:db8::7" }],
      linesSkipped: 0,
    });
  });

  test("do not depend on how the text is cut into pieces", () => {
    const text = lines(TCP_HEADER, LISTENER, ESTABLISHED, "x".repeat(3000), TIME_WAIT);
    const whole = parse(TCP, text);
    expect([whole.rows.length, whole.linesSkipped]).toEqual([3, 1]);
    for (const chunkBytes of [1, 2, 7, 64, 149, 150, 151, 1024, 1025])
      expect(parse(TCP, text, chunkBytes)).toEqual(whole);
  });

  test("neighbours with other addresses do not mix them up", () => {
    const { rows } = parse(TCP, lines(ESTABLISHED, ESTABLISHED.replace("C0:C822", "C1:C822"), ESTABLISHED));
    expect(rows.map(({ localAddress }) => localAddress)).toEqual(["192.0.2.5", "193.0.2.5", "192.0.2.5"]);
  });
});

describe("lines that are skipped and counted", () => {
  test.each<[string, string]>([
    ["empty", ""],
    ["spaces", "      "],
    ["text", "hello"],
    ["a header further down", TCP_HEADER],
    ["state 0", ESTABLISHED.replace(" 01 ", " 00 ")],
    ["state 14", ESTABLISHED.replace(" 01 ", " 0E ")],
    ["state FF", ESTABLISHED.replace(" 01 ", " FF ")],
    ["lower case", ESTABLISHED.replace("C0:C822", "c0:C822")],
    ["a short address", ESTABLISHED.replace("050200C0", "50200C0")],
    ["a long address", ESTABLISHED.replace("050200C0", "0050200C0")],
    ["an address of IPv6", TCP6_LINE],
    ["a port above 65535", ESTABLISHED.replace(":C822", ":1C822")],
    ["a short port", ESTABLISHED.replace(":C822", ":822")],
    ["a negative port", ESTABLISHED.replace(":C822", ":-822")],
    ["uid 2^32", ESTABLISHED.replace(" 1000 ", " 4294967296 ")],
    ["a negative uid", ESTABLISHED.replace(" 1000 ", " -1 ")],
    ["inode 2^53", ESTABLISHED.replace("4294967295", "9007199254740992")],
    ["an endless inode", ESTABLISHED.replace("4294967295", "9".repeat(400))],
    ["no inode", ESTABLISHED.slice(0, ESTABLISHED.indexOf("4294967295"))],
    ["the end within the inode", ESTABLISHED.slice(0, ESTABLISHED.indexOf("4294967295") + 4)],
    ["a tabulator for a space", ESTABLISHED.replace(" 01 ", "\t01 ")],
    ["a NUL", ESTABLISHED.replace(" 01 ", " 01\0 ")],
    ["no number", ESTABLISHED.replace("   1:", "    :")],
  ])("%s", (_, line) => {
    const { rows, linesSkipped } = parse(TCP, lines(TCP_HEADER, ESTABLISHED, line, LISTENER));
    expect(rows.map(({ state }) => state)).toEqual([1, 10]);
    expect(linesSkipped).toBe(1);
  });

  test.each([2, 6, 10])("UDP in state %i", (state) => {
    const line = UDP_LINE.replace(" 07 ", ` 0${state.toString(16).toUpperCase()} `);
    expect(parse(UDP, lines(UDP_HEADER, line))).toEqual({ rows: [], linesSkipped: 1 });
  });

  test("the last line, when it is cut off", () => {
    const cut = parse(TCP, lines(TCP_HEADER, ESTABLISHED) + LISTENER);
    expect([cut.rows.length, cut.linesSkipped]).toEqual([1, 1]);
    const endless = parse(TCP, lines(ESTABLISHED) + "0".repeat(5000));
    expect([endless.rows.length, endless.linesSkipped]).toEqual([1, 1]);
  });

  test("a header behind an endless first line", () => {
    expect(parse(TCP, lines("0".repeat(5000), TCP_HEADER, LISTENER))).toMatchObject({
      rows: [{ state: 10 }],
      linesSkipped: 2,
    });
  });

  test("nothing is no line", () => {
    expect(parse(TCP, "")).toEqual({ rows: [], linesSkipped: 0 });
    expect(parse(TCP, lines(TCP_HEADER))).toEqual({ rows: [], linesSkipped: 0 });
  });
});

describe("hostile text", () => {
  const table = fc.constantFrom(...NET_TABLES);
  const chunkBytes = fc.integer({ min: 1, max: 300 });
  const lineCount = (bytes: Uint8Array): number => {
    const ends = bytes.filter((byte) => byte === 0x0a).length;
    return ends + (bytes.length > 0 && bytes.at(-1) !== 0x0a ? 1 : 0);
  };

  test("arbitrary bytes never throw and are lines skipped", () => {
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from("\n\n 0:A")));
    const bytes = fc.array(byte, { maxLength: 400 }).map((all) => Uint8Array.from(all));
    fc.assert(
      fc.property(table, bytes, chunkBytes, (kind, text, size) => {
        const { rows, linesSkipped } = parse(kind, text, size);
        expect(rows.length + linesSkipped).toBe(lineCount(text));
      }),
    );
  });

  test("spoilt lines never throw, and each one is a sane row or skipped", () => {
    const line = fc.constantFrom(
      LISTENER,
      ESTABLISHED,
      TIME_WAIT,
      TCP6_LINE,
      TCP6_MAPPED,
      UDP_LINE,
      UDP_CONNECTED,
    );
    const change = fc.tuple(
      fc.nat(400),
      fc.nat(3),
      fc.constantFrom("", " ", "\n", "0", "F", ":", "-", "\0", "9999999999"),
    );
    const spoilt = fc
      .tuple(fc.array(line, { minLength: 1, maxLength: 4 }), fc.array(change, { maxLength: 3 }))
      .map(([all, changes]) => {
        let text = lines(...all);
        for (const [at, removed, added] of changes)
          text = text.slice(0, at) + added + text.slice(at + removed);
        return Buffer.from(text);
      });
    fc.assert(
      fc.property(table, spoilt, chunkBytes, (kind, text, size) => {
        const { rows, linesSkipped } = parse(kind, text, size);
        expect(rows.length + linesSkipped).toBe(lineCount(text));
        for (const row of rows) {
          expect(row.proto).toBe(kind.proto);
          expect(kind.proto === 17 ? [1, 7] : [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]).toContain(
            row.state,
          );
          for (const port of [row.localPort, row.remotePort]) expect(port).toBeLessThanOrEqual(65_535);
          for (const number of [row.localPort, row.remotePort, row.uid, row.inode]) {
            expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
          }
          for (const address of [row.localAddress, row.remoteAddress])
            expect(address).toMatch(/^[0-9a-f.:]+$/);
        }
      }),
      { numRuns: 500 },
    );
  });
});
