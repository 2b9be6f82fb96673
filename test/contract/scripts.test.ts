/** What the documents name is run: every npm script in README.md and CONTRIBUTING.md. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RUN_ELSEWHERE, SHORT_RUNS } from "../../scripts/short-runs.mjs";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

/** Names of npm scripts, as `npm run NAME`, `npm start` and `npm test` say them. */
function scriptsNamedIn(text: string): string[] {
  const names = [...text.matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g)].map(
    ([, run, short]) => run ?? short ?? "",
  );
  return [...new Set(names)].sort();
}

const inCi = [...SHORT_RUNS.map(({ script }) => script), ...RUN_ELSEWHERE.keys()];

describe.each(["README.md", "CONTRIBUTING.md"])("the npm scripts in %s", (document) => {
  const named = scriptsNamedIn(read(document));

  it("are in package.json", () => {
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("run in CI, or are said to run in another way", () => {
    expect(named.filter((name) => !inCi.includes(name))).toEqual([]);
  });
});

it("what CI runs in a short form is a script", () => {
  expect(inCi.filter((name) => !(name in scripts))).toEqual([]);
  expect(new Set(inCi).size).toBe(inCi.length);
});

it("CI asks for the short forms", () => {
  expect(read(".ci/run")).toContain("export TCPTOP_TEST_SCRIPTS=");
  expect(read("scripts/test.mjs")).toContain("runShortRuns()");
});
