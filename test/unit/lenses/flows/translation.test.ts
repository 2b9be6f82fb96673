import { describe, expect, it } from "vitest";
import type { NativeSource, SourceHost } from "../../../../src/core/source.ts";
import { Translation } from "../../../../src/lenses/flows/translation.ts";

const TYPES = "kernel/btf/nf_conntrack";
const MODULE = "module/nf_conntrack";

/** A kernel with these files in /sys, whose answers about conntrack's types come one after the other. */
function kernel(files: Set<string>, answers: (boolean | null)[]) {
  const host = { hasInSys: (path: string) => files.has(path) } as SourceHost;
  const written: [name: string, value: bigint][] = [];
  const source = {
    tellConntrack: () => answers.shift() ?? null,
    write: (name: string, value: bigint) => written.push([name, value]),
  } as unknown as NativeSource;
  return { host, source, written };
}

describe("the translation of addresses on the way out", () => {
  it("is none of programs that see no packets", () => {
    const { host, source } = kernel(new Set([MODULE]), [null]);
    expect(Translation.of(host, source)).toBeNull();
  });

  it("is undone once the module's types are there, and asked for no more", () => {
    const files = new Set<string>();
    const answers = [false, true, false];
    const { host, source } = kernel(files, answers);
    const translation = Translation.of(host, source);
    expect(translation?.fault()).toBeNull();
    files.add(MODULE).add(TYPES);
    translation?.lookAgain();
    translation?.lookAgain();
    expect(translation?.fault()).toBeNull();
    expect(answers).toEqual([false]);
  });

  it.each([
    ["has no types", [MODULE]],
    ["has types that are not understood", [MODULE, TYPES]],
  ])("is said to be missing where the module %s", (_, files) => {
    const answers = [false, false, true];
    const { host, source } = kernel(new Set(files), answers);
    const translation = Translation.of(host, source);
    translation?.lookAgain();
    translation?.lookAgain();
    expect(translation?.fault()).toMatch(/^UDP that is translated \(NAT\) has its translated addresses: /);
  });

  it("tells the programs once that IPsec may hide what is sent", () => {
    const files = new Set<string>();
    const { host, source, written } = kernel(files, [true]);
    const translation = Translation.of(host, source);
    expect(written).toEqual([]);
    files.add("module/esp6");
    translation?.lookAgain();
    translation?.lookAgain();
    expect(written).toEqual([["udp_may_hide", 1n]]);
  });
});
