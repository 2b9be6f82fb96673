import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyDecoder } from "../../../src/tui/keys.ts";

function decode(...reads: string[]) {
  const decoder = new KeyDecoder();
  return reads.flatMap((text) => decoder.decode(text));
}

const key = (name: string) => ({ kind: "key", name });
const text = (characters: string) => ({ kind: "text", text: characters });

describe("keys", () => {
  test.for([
    ["\x1b[A", "up"],
    ["\x1bOB", "down"],
    ["\x1b[C", "right"],
    ["\x1b[1;5D", "left"],
    ["\x1b[H", "home"],
    ["\x1b[1~", "home"],
    ["\x1b[7~", "home"],
    ["\x1bOF", "end"],
    ["\x1b[4~", "end"],
    ["\x1b[5~", "pageup"],
    ["\x1b[6~", "pagedown"],
    ["\x1b[Z", "shift-tab"],
    ["\t", "tab"],
    ["\r", "enter"],
    ["\n", "enter"],
    ["\x7f", "backspace"],
    ["\b", "backspace"],
    ["\x1b", "escape"],
    ["\x1bOP", "f1"],
    ["\x1b[11~", "f1"],
    ["\x1b[[A", "f1"],
    ["\x1bOS", "f4"],
    ["\x1b[14~", "f4"],
    ["\x1b[15~", "f5"],
    ["\x1b[[E", "f5"],
    ["\x1b[17~", "f6"],
    ["\x1b[21~", "f10"],
    ["\x03", "ctrl-c"],
    ["\x1a", "ctrl-z"],
    ["\x15", "ctrl-u"],
  ] as const)("%j is %s", ([received, name]) => {
    expect(decode(received)).toEqual([key(name)]);
  });

  test("printable characters stay together, wide ones too", () => {
    expect(decode("abc 日本")).toEqual([text("abc 日本")]);
    expect(decode("ab\rc")).toEqual([text("ab"), key("enter"), text("c")]);
  });

  test("several in one read, and one in several reads", () => {
    expect(decode("\x1b[A\x1b[Bq")).toEqual([key("up"), key("down"), text("q")]);
    expect(decode("\x1b[", "A")).toEqual([key("up")]);
    expect(decode("\x1bO", "P")).toEqual([key("f1")]);
    expect(decode("\x1b[<0;1", "2;3M")).toEqual([{ kind: "click", x: 11, y: 2 }]);
  });

  test("Esc followed by something else is Esc", () => {
    expect(decode("\x1bx")).toEqual([key("escape"), text("x")]);
    expect(decode("\x1b", "[A")).toEqual([key("escape"), text("[A")]);
  });

  test("unknown sequences are swallowed", () => {
    expect(decode("\x1b[99~\x1b[?1;2c\x1bOx\x00a")).toEqual([key("escape"), text("Ox"), text("a")]);
  });
});

test("nothing is kept of a sequence that is too long to be one", () => {
  const decoder = new KeyDecoder();
  expect(decoder.decode(`\x1b[${"1".repeat(32)}`)).toEqual([]);
  expect(decoder.decode("1")).toEqual([key("escape"), text(`[${"1".repeat(33)}`)]);
  expect(decoder.decode("A")).toEqual([text("A")]);
});

describe("the mouse", () => {
  test.for([
    ["\x1b[<0;1;1M", [{ kind: "click", x: 0, y: 0 }]],
    ["\x1b[<0;300;50M", [{ kind: "click", x: 299, y: 49 }]],
    ["\x1b[<0;5;5m", []],
    ["\x1b[<2;5;5M", []],
    ["\x1b[<64;5;5M", [{ kind: "wheel", lines: -3 }]],
    ["\x1b[<65;5;5M", [{ kind: "wheel", lines: 3 }]],
    ["\x1b[<69;5;5M", [{ kind: "wheel", lines: 3 }]],
    ["\x1b[<M", []],
    ["\x1b[<0;65535;65536M", []],
    ["\x1b[<0;9999999999999999999999;1M", []],
  ] as const)("%j", ([received, inputs]) => {
    expect(decode(received)).toEqual(inputs);
  });
});

test("any bytes in any pieces give inputs without control characters", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 12 }), { maxLength: 8 }), (reads) => {
      for (const input of decode(...reads)) {
        if (input.kind === "text") expect(input.text).toMatch(/^[^\p{Cc}]+$/u);
        if (input.kind === "key") expect(input.name).toMatch(/^[a-z0-9-]+$/);
      }
    }),
  );
});
