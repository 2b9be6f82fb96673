import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { reasonOf } from "../../../src/base/errors.ts";

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("the reason of a system call's failure is without the call and its path", () => {
  expect(reasonOf(thrownBy(() => readFileSync("/nonsense/, open 'x'\n")))).toBe(
    "ENOENT: no such file or directory",
  );
  expect(reasonOf(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "X" }))).toBe(
    "ENOSPC: no space left on device",
  );
});

test("the reason of any other failure is all it says", () => {
  expect(reasonOf(new Error("first, second"))).toBe("first, second");
  expect(reasonOf("thrown text")).toBe("thrown text");
});
