import { expect, test } from "vitest";
import { replayPlatform } from "../../../src/platform/replay/replay.ts";

test("a replay needs no privilege, captures nothing and knows no process", () => {
  const platform = replayPlatform();
  expect(platform.check()).toBeUndefined();
  expect(() => platform.open({ backend: "auto", ringBytes: undefined, lenses: [] })).toThrow(
    expect.objectContaining({ exitCode: 69, message: "a replay does not capture" }),
  );
  expect(platform.describeProcess({ pid: process.pid, startNs: 0 })).toBeNull();
});
