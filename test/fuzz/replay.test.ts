/** Every seed of every target, and some inputs made of them: what was found once stays found. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";
import { readSeeds } from "./engine/corpus.ts";
import { Fuzzer } from "./engine/fuzzer.ts";
import { Random } from "./engine/random.ts";
import type { Target } from "./engine/target.ts";

/** Inputs that are made anew, always the same ones; fewer where each opens a capture. */
const newInputs = (name: string): number => (name === "addon" ? 32 : 256);

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const names = readdirSync(folder("targets")).map((file) => file.replace(/\.ts$/, ""));

test("there is no corpus without its target", () => {
  expect(names).toEqual(expect.arrayContaining(readdirSync(folder("corpus"))));
});

describe.each(names)("%s", async (name) => {
  if (name === "addon" && !thisProcessMayCapture()) {
    test("stands its seeds", (context) => context.skip("needs root"));
    return;
  }
  const { target } = (await import(`./targets/${name}.ts`)) as { readonly target: Target };
  const seeds = readSeeds(folder(`corpus/${name}`));
  const fuzzer = new Fuzzer({
    target,
    random: new Random(1),
    coverage: null,
    seeds: seeds.map(({ bytes }) => bytes),
  });

  test.each(seeds)("stands $file", async ({ bytes }) => {
    await target.run(bytes);
  });

  test(`stands ${newInputs(name)} changed inputs`, async () => {
    await fuzzer.replay();
    const finding = await fuzzer.search(() => fuzzer.runs >= seeds.length + newInputs(name));
    if (finding !== null) {
      throw new Error(`input ${Buffer.from(finding.bytes).toString("base64")}`, { cause: finding.error });
    }
  });
});
