/** The manual page against the program: fields, loss counters, exit codes; and as roff. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ExitCode } from "../../src/base/errors.ts";
import { lossCounters } from "../../src/output/output.ts";
import { FIELDS } from "../../src/view/columns.ts";
import { NO_LOSSES } from "../support/records.ts";

const PAGE = fileURLToPath(new URL("../../man/tcptop.8", import.meta.url));
const page = readFileSync(PAGE, "utf8");

/** What the list between two marks explains, in its order. */
function itemsOf(mark: string): string[] {
  const [, list = ""] = page.split(new RegExp(`^\\.\\\\" (?:end )?${mark}$`, "m"));
  return [...list.matchAll(/^\.It (?:Cm )?(.+)$/gm)].flatMap(([, names = ""]) => names.split(" , "));
}

test("explains every field of the stream, in its order", () => {
  expect(itemsOf("fields")).toEqual(FIELDS.map(({ key }) => key));
});

test("explains every loss counter", () => {
  const counters = lossCounters(NO_LOSSES, { refreshes: 0, events: 0 });
  expect(itemsOf("losses")).toEqual(counters.map(([key]) => key));
});

test("explains every exit code", () => {
  expect(itemsOf("exit codes")).toEqual(Object.values(ExitCode).map(String));
});

const hasMandoc = spawnSync("mandoc", ["-Tlint", "/dev/null"]).error === undefined;

test.skipIf(!hasMandoc)(`mandoc finds nothing to blame${hasMandoc ? "" : ": needs mandoc"}`, () => {
  // Whether this system has the pages it refers to is no matter of the page.
  const { stdout } = spawnSync("mandoc", ["-Tlint", "-Wwarning", PAGE], { encoding: "utf8" });
  expect(stdout).toBe("");
});
