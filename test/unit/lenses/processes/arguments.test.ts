import { describe, expect, it } from "vitest";
import { argumentsIn } from "../../../../src/lenses/processes/capture.ts";

describe("the arguments of a process that exists", () => {
  it.each([
    ["as they were given", "curl\0-o\0\0x\0", ["curl", "-o", "", "x"]],
    ["without an end", "curl\0-o", ["curl", "-o"]],
    ["of a program that wrote a title over them", `npm test${"\0".repeat(2000)}`, ["npm test"]],
    ["of a kernel thread", "", []],
    ["that are all empty", "\0\0", []],
  ])("%s", (_, text, words) => {
    expect(argumentsIn(Buffer.from(text))).toEqual({ words, isCut: false });
  });

  it("are cut where the kernel side cuts them, and marked", () => {
    expect(argumentsIn(Buffer.from(`${"a".repeat(1024)}\0`))).toEqual({
      words: ["a".repeat(1024)],
      isCut: false,
    });
    expect(argumentsIn(Buffer.from(`a\0${"b".repeat(1023)}\0`))).toEqual({
      words: ["a", "b".repeat(1022)],
      isCut: true,
    });
  });
});
