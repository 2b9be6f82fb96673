/** What the broker refuses of whoever speaks to it, once tcptop has started. */
import { spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";
import { built } from "../support/build.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tcptop-broker-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the steps return or throw, each in one process that has a broker of its own; `native` is the addon. */
function tell(...steps: string[]): unknown[] {
  const script = `
    const native = require(${JSON.stringify(built("Release/tcptop.node"))});
    const fs = require("node:fs");
    const folder = ${JSON.stringify(folder)};
    const opened = fs.openSync(folder, fs.constants.O_RDONLY);
    native.startBroker(${JSON.stringify(built("Release/tcptop-broker"))});
    const spec = { object: "tracepoint", ring: null, constants: {}, sizes: {}, iterators: {}, variables: {} };
    const answers = [${steps.map((step) => `() => ${step}`).join(", ")}].map((step) => {
      try { return step() ?? null; } catch (error) { return error.errno ?? String(error); }
    });
    console.log(JSON.stringify(answers));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as unknown[];
}

const { EPERM, EINVAL, EEXIST, ENOENT, ESTALE, ELOOP } = constants.errno;
const NAME = '"log.csv"';

describe.skipIf(!thisProcessMayCapture())("after the start the broker", () => {
  it("loads nothing, and is told of no file", () => {
    expect(
      tell("native.endLoading()", "new native.Source(spec)", `native.keepOutput(opened, ${NAME}, 0)`),
    ).toEqual([...[null, EPERM, EPERM]]);
  });

  it("gives the files that were named, and no others", () => {
    const file = 'fs.fstatSync(native.openOutput(0, false).fd).ino === fs.statSync(folder + "/log.csv").ino';
    const [kept, sealed, isIt, again, other] = tell(
      `native.keepOutput(opened, ${NAME}, 0)`,
      "native.endLoading()",
      file,
      "native.openOutput(0, true)",
      "native.openOutput(1, false)",
    );
    expect([kept, sealed, isIt, again, other]).toEqual([0, null, true, EEXIST, EINVAL]);
    expect(readdirSync(folder)).toEqual(["log.csv"]);
  });

  it("takes no path for a name", () => {
    const names = ["../log.csv", "a/b", "..", ".", ""];
    expect(tell(...names.map((name) => `native.keepOutput(opened, ${JSON.stringify(name)}, 0)`))).toEqual(
      names.map(() => EINVAL),
    );
  });

  it("follows no link, at the end or on the way, and opens no device", () => {
    writeFileSync(join(folder, "target"), "precious");
    symlinkSync("target", join(folder, "log.csv"));
    const open = "native.openOutput(0, false)";
    expect(tell(`native.keepOutput(opened, ${NAME}, 0)`, open)).toEqual([0, EINVAL]);
    rmSync(join(folder, "log.csv"));
    mkdirSync(join(folder, "log.csv"));
    expect(tell(`native.keepOutput(opened, ${NAME}, 0)`, open)).toEqual([0, EINVAL]);
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("precious");

    const moved = `${folder}-moved`;
    const swap = `(fs.renameSync(folder, ${JSON.stringify(moved)}), fs.symlinkSync(${JSON.stringify(moved)}, folder))`;
    expect(tell('native.keepOutput(opened, "other", 0)', swap, open)).toEqual([0, null, ELOOP]);
    rmSync(folder);
    renameSync(moved, folder);
  });

  it("opens no file with a second name where others may put files", () => {
    writeFileSync(join(folder, "precious"), "");
    linkSync(join(folder, "precious"), join(folder, "log.csv"));
    const share = "fs.chmodSync(folder, 0o1777)";
    const open = "typeof native.openOutput(0, false).fd";
    expect(tell(`native.keepOutput(opened, ${NAME}, 0)`, open, share, open)).toEqual([
      0,
      "number",
      null,
      EPERM,
    ]);
  });

  it("removes and renames only the file that it is shown", () => {
    writeFileSync(join(folder, "other"), "");
    const other = 'fs.openSync(folder + "/other")';
    const mine = 'fs.openSync(folder + "/log.csv")';
    const write = 'fs.writeFileSync(folder + "/log.csv", "row")';
    expect(
      tell(
        `native.keepOutput(opened, ${NAME}, 0)`,
        "typeof native.openOutput(0, true).fd",
        `native.dropOutput(0, ${other})`,
        `native.moveOutput(0, ${other}, ".2026-11-25")`,
        write,
        `native.dropOutput(0, ${mine})`,
        `native.moveOutput(0, ${mine}, "/../x")`,
        `native.moveOutput(0, ${mine}, ".2026-11-25")`,
        `native.dropOutput(0, ${other})`,
      ),
    ).toEqual([0, "number", null, ESTALE, null, null, EINVAL, null, ENOENT]);
    expect(readdirSync(folder).sort()).toEqual(["log.csv.2026-11-25", "other"]);
  });

  it("tells a process's network namespace, and 0 of one that is not there", () => {
    const own = 'fs.statSync("/proc/self/ns/net").ino';
    expect(tell(`native.netnsOf(process.pid) === ${own}`, "native.netnsOf(4194304)")).toEqual([true, 0]);
  });
});
