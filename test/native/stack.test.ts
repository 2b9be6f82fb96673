/** The BPF programs fit into the verifier's stack, on kernels that count it more strictly than the running one. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";
import { type BpfFunction, readBpfFunctions } from "../support/bpf-object.ts";
import { callChains, chainBytes, frameBytes, functionsOf } from "../support/bpf-stack.ts";
import { built } from "../support/build.ts";

/** Of MAX_BPF_STACK, 512. What is left is for other compilers, which place variables in other ways. */
const LIMIT_BYTES = 400;

/** Bytes of each function's frame of a program by its name, as the running kernel's verifier counts them. */
function verifiedFrames(object: string): Map<string, number[]> {
  const lines = execFileSync(built("test/native/verified_stack"), [object], { encoding: "utf8" }).split("\n");
  const words = lines.filter((line) => line !== "").map((line) => line.split(" "));
  return new Map(words.map(([name = "", frames = ""]) => [name, frames.split("+").map(Number)]));
}

describe.each([
  ["fentry", 10],
  ["kprobe", 10],
  ["tracepoint", 10],
  ["processes", 7],
  ["files", 8],
])("the stack of %s", (backend, least) => {
  const object = built(`bpf/${backend}.bpf.o`);
  const programs = readBpfFunctions(object).filter(({ isProgram }) => isProgram);

  it(`is at most ${LIMIT_BYTES} bytes in every chain of calls`, () => {
    expect(programs.length).toBeGreaterThanOrEqual(least);
    const describeChain = (chain: readonly BpfFunction[]) =>
      `${chain.map((called) => `${called.name} ${frameBytes(called)}`).join(" > ")}: ${chainBytes(chain)}`;
    const tooDeep = programs.flatMap(callChains).filter((chain) => chainBytes(chain) > LIMIT_BYTES);
    expect(tooDeep.map(describeChain)).toEqual([]);
  });

  it("is counted as the running kernel's verifier does", (context) => {
    context.skip(!thisProcessMayCapture(), "without privileges nothing can be loaded");
    const verified = verifiedFrames(object);
    context.skip(verified.size === 0, `this kernel loads none of ${backend}'s programs`);
    for (const program of programs) {
      const expected = verified.get(program.name);
      if (expected === undefined) continue;
      const frames = functionsOf(program).map(frameBytes);
      // The verifier leaves out code that the running kernel cannot reach.
      const reached = frames.map((bytes, i) => Math.min(bytes, expected[i] ?? 0));
      expect([program.name, ...reached]).toEqual([program.name, ...expected]);
    }
  });
});
