import { describe, expect, test } from "vitest";
import { clip, displayWidth, padEnd, padStart, shorten } from "../../../src/base/width.ts";

test.each([
  ["", 0],
  ["curl", 4],
  ["Größe", 5],
  ["日本", 4],
  ["한글", 4],
  ["ｆｕｌｌ", 8],
  ["🚀x", 3],
  ["e\u0301", 1],
  ["\u1112\u1161\u11ab", 2],
  ["🇩🇪", 2],
])("%j takes %i cells", (text, cells) => {
  expect(displayWidth(text)).toBe(cells);
});

test("padding fills up to cells, not characters, and never cuts", () => {
  expect(padEnd("日本", 6)).toBe("日本  ");
  expect(padStart("日本", 6)).toBe("  日本");
  expect(padEnd("longer", 3)).toBe("longer");
  expect(padStart("longer", 3)).toBe("longer");
});

describe("shortening", () => {
  test.for([
    ["postgres", 8, "postgres"],
    ["postgres", 7, "pos…res"],
    ["postgres", 6, "pos…es"],
    ["postgres", 3, "p…s"],
    ["postgres", 2, "po"],
    ["postgres", 0, ""],
    ["[2606:4700:1111:2222:3333:4444:6810:84e5]:443", 21, "[2606:4700…:84e5]:443"],
    ["日本語プロセス", 14, "日本語プロセス"],
    ["日本語プロセス", 13, "日本語…ロセス"],
    ["日本語プロセス", 12, "日本語…セス"],
    ["e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301…e\u0301"],
  ] as const)("%s to %i cells", ([text, cells, expected]) => {
    expect(shorten(text, cells)).toBe(expected);
  });

  test("leaves out a wide character across the edge", () => {
    expect(clip("a日b", 2)).toBe("a");
  });
});
