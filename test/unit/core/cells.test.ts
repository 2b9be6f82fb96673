import { describe, expect, test } from "vitest";
import { LineWriter, lineText } from "../../../src/core/cells.ts";
import { barGraph } from "../../../src/core/graph.ts";

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
