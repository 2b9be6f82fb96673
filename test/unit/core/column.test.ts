import { expect, test } from "vitest";
import { compareCells, showCell } from "../../../src/core/column.ts";

test("cells are shown with their unit", () => {
  expect(showCell("bytes", 1_200_000, "human")).toBe("1.2 MB");
  expect(showCell("bytes", 1_200_000, "raw")).toBe("1200000 B");
  expect(showCell("rate", 340_000, "human")).toBe("340 kB/s");
  expect(showCell("micros", 23_100, "human")).toBe("23.1 ms");
  expect(showCell("millis", 724_000, "human")).toBe("12:04");
  expect(showCell("count", 830_000, "human")).toBe("830000");
  expect(showCell("id", 443, "human")).toBe("443");
  expect(showCell("flag", true, "human")).toBe("yes");
  expect(showCell("flag", false, "raw")).toBe("no");
  expect(showCell("text", "curl", "human")).toBe("curl");
  expect(showCell("micros", null, "raw")).toBe("-");
});

test("cells compare by value, numbers in text too, unknown last", () => {
  expect([10, null, 9, 2].toSorted(compareCells)).toEqual([2, 9, 10, null]);
  expect(["10.0.0.2", "9.0.0.1", null, "10.0.0.10"].toSorted(compareCells)).toEqual([
    "9.0.0.1",
    "10.0.0.2",
    "10.0.0.10",
    null,
  ]);
  expect([true, false].toSorted(compareCells)).toEqual([false, true]);
});
