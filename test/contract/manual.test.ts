/** The manual page against the program: fields, exit codes; and as roff. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ExitCode } from "../../src/base/errors.ts";
import { FIELDS } from "../../src/lenses/flows/columns.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGE = join(ROOT, "man/tcptop.8");
const page = readFileSync(PAGE, "utf8");

/** What the list between two marks explains, in its order. */
function itemsOf(mark: string): string[] {
  const [, list = ""] = page.split(new RegExp(`^\\.\\\\" (?:end )?${mark}$`, "m"));
  return [...list.matchAll(/^\.It (?:Cm )?(.+)$/gm)].flatMap(([, names = ""]) => names.split(" , "));
}

test("explains every field of the stream, in its order", () => {
  expect(itemsOf("fields")).toEqual(FIELDS.map(({ key }) => key));
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

/** A package of the manual page and a command, as package.json names them, installed with a prefix of its own. */
test("npm install --global puts it where man looks", () => {
  const folder = mkdtempSync(join(tmpdir(), "tcptop-man-"));
  try {
    const description = readFileSync(join(ROOT, "package.json"), "utf8");
    const { name, version, bin, man } = JSON.parse(description) as Record<string, unknown>;
    const from = join(folder, "package");
    for (const file of ["man/tcptop.8", "bin/tcptop.js"]) cpSync(join(ROOT, file), join(from, file));
    writeFileSync(join(from, "package.json"), JSON.stringify({ name, version, bin, man }));
    const npm = (...args: string[]) => {
      const quiet = ["--silent", "--offline", "--cache", join(folder, "cache")];
      const { status, stderr } = spawnSync("npm", [...args, ...quiet], { cwd: folder, encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
    };
    npm("pack", from);
    npm("install", "--global", "--prefix", join(folder, "prefix"), `${name}-${version}.tgz`);
    expect(readFileSync(join(folder, "prefix/share/man/man8/tcptop.8"), "utf8")).toBe(page);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
