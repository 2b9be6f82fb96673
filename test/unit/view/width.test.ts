import { expect, test } from "vitest";
import { displayWidth, padEnd, padStart } from "../../../src/view/width.ts";

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
