import { describe, expect, test } from "vitest";
import {
  formatBytes,
  formatEndpoint,
  formatMicros,
  formatMillis,
  formatRate,
} from "../../../src/base/format.ts";

test.each([
  [0, "0 B", "0 B"],
  [999, "999 B", "999 B"],
  [1_000, "1 kB", "1000 B"],
  [1_200_000, "1.2 MB", "1200000 B"],
  [340_400, "340 kB", "340400 B"],
  [999_999, "1 MB", "999999 B"],
  [Number.MAX_SAFE_INTEGER, "9.01 PB", "9007199254740991 B"],
])("%d bytes", (bytes, human, raw) => {
  expect(formatBytes(bytes)).toBe(human);
  expect(formatBytes(bytes, "raw")).toBe(raw);
});

test.each([
  [0, "0 B/s", "0 B/s"],
  [0.1, "1 B/s", "1 B/s"],
  [1.4, "1 B/s", "1 B/s"],
  [340_000, "340 kB/s", "340000 B/s"],
  [1_234_567.8, "1.23 MB/s", "1234568 B/s"],
])("%d bytes a second", (rate, human, raw) => {
  expect(formatRate(rate)).toBe(human);
  expect(formatRate(rate, "raw")).toBe(raw);
});

test.each([
  [0, "0.00 ms"],
  [21, "0.02 ms"],
  [94, "0.09 ms"],
  [95, "0.1 ms"],
  [400, "0.4 ms"],
  [23_100, "23.1 ms"],
  [999_949, "999.9 ms"],
  [999_950, "1.0 s"],
  [1_200_000, "1.2 s"],
  [4_294_967_295, "4295.0 s"],
])("%d microseconds", (us, human) => {
  expect(formatMicros(us)).toBe(human);
  expect(formatMicros(us, "raw")).toBe(`${us} us`);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1_000, "1.0 s"],
  [59_949, "59.9 s"],
  [59_950, "1:00"],
  [724_000, "12:04"],
  [3_599_600, "1:00:00"],
  [93_601_000, "26:00:01"],
])("%d milliseconds", (ms, human) => {
  expect(formatMillis(ms)).toBe(human);
  expect(formatMillis(ms, "raw")).toBe(`${ms} ms`);
});

describe("endpoints", () => {
  test.each([
    ["1.2.3.4", 443, "1.2.3.4:443"],
    ["2001:db8::7", 443, "[2001:db8::7]:443"],
    ["0.0.0.0", 0, "0.0.0.0:*"],
    ["::", 0, "[::]:*"],
  ])("%s and port %d", (address, port, expected) => {
    expect(formatEndpoint({ address, port })).toBe(expected);
  });
});
