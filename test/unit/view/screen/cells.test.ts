import { describe, expect, test } from "vitest";
import { clip, LineWriter, lineText, shorten } from "../../../../src/view/screen/cells.ts";
import { barGraph } from "../../../../src/view/screen/graph.ts";

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

test("a line is cut and filled to its width", () => {
  const line = new LineWriter(10)
    .add("ab", "strong")
    .to(4)
    .add("日")
    .addWhole("too long")
    .add("cdefgh")
    .done();
  expect(lineText(line)).toBe("ab  日cdef");
  expect(lineText(new LineWriter(4).add("a").done())).toBe("a   ");
  expect(new LineWriter(4).add("").done(true)).toEqual({
    spans: [{ text: "    ", tone: "plain" }],
    reversed: true,
  });
});

describe("a graph", () => {
  test("has a bar for each value, the newest at the right", () => {
    expect(barGraph([0, 1, 4, 8], 6, 1)).toEqual(["   ▁▄█"]);
    expect(barGraph([9, 9, 0, 8], 2, 1)).toEqual([" █"]);
  });

  test("shows what is not zero", () => {
    expect(barGraph([1, 1_000_000], 2, 1)).toEqual(["▁█"]);
  });

  test("grows over several lines", () => {
    expect(barGraph([1, 2, 3, 4], 4, 2)).toEqual(["  ▄█", "▄███"]);
  });

  test("of nothing is empty", () => {
    expect(barGraph([], 3, 1)).toEqual(["   "]);
    expect(barGraph([0, 0], 3, 2)).toEqual(["   ", "   "]);
    expect(barGraph([1, 2], 0, 1)).toEqual([""]);
  });
});
