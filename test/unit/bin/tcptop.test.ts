/** The first file that runs: what it says to a Node that is too old. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Runs it with Node's version told as `version`, with an argument that is wrong. */
function runAs(version: string) {
  const versions = `Object.defineProperty(process, "versions", { value: { node: "${version}" } });`;
  const preload = `data:text/javascript,${encodeURIComponent(versions)}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", preload, `${ROOT}bin/tcptop.js`, "--nonsense"],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

test.for(["8.17.0", "18.20.8", "19.9.0", "20.16.0"])("Node %s: one line, exit 69", (version) => {
  expect(runAs(version)).toEqual({
    status: 69,
    stdout: "",
    stderr: `error: tcptop needs Node 20.17 or later, this is ${version}.\n`,
  });
});

test.for(["20.17.0", "22.0.0", "100.1.0"])("Node %s runs it", (version) => {
  expect(runAs(version).status).not.toBe(69);
});

test("package.json asks for the same", () => {
  const { engines } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(">=20.17.0");
});
