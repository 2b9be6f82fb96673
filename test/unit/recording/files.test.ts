import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, test } from "vitest";
import type { Files } from "../../../src/base/output-file.ts";
import { systemFiles } from "../../../src/cli/files.ts";
import { createRecordingFile, openRecordingSource } from "../../../src/recording/files.ts";

const folder = mkdtempSync(join(tmpdir(), "tcptop-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NOTHING = Readable.from([]);
const path = (name: string) => join(folder, name);

function make(at: string, overwrite: boolean, calls: Partial<Files> = {}) {
  return createRecordingFile({ ...systemFiles, lock: () => true, ...calls }, at, { overwrite, inUse: [] });
}

function failure(call: () => unknown): { exitCode: number; message: string } {
  try {
    call();
  } catch (error) {
    const { exitCode, message } = error as { exitCode: number; message: string };
    return { exitCode, message };
  }
  throw new Error("it did not fail");
}

describe("making a file", () => {
  test("writes, takes back, and leaves what is there alone", () => {
    const file = make(path("new"), false);
    file.append(Buffer.from("abc"));
    file.append(Buffer.from("def"));
    file.truncate(4);
    file.close();
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    expect(failure(() => make(path("new"), false))).toEqual({
      exitCode: 73,
      message: `cannot record to ${path("new")}: it exists; --overwrite replaces it`,
    });
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    const over = make(path("new"), true);
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    over.append(Buffer.from("x"));
    over.append(Buffer.from("y"));
    over.close();
    expect(readFileSync(path("new"), "utf8")).toBe("xy");
  });

  test("leaves all as it was where nothing is written", () => {
    writeFileSync(path("old"), "old");
    make(path("old"), true).close();
    make(path("fresh"), true).close();
    expect([readFileSync(path("old"), "utf8"), existsSync(path("fresh"))]).toEqual(["old", false]);
  });

  test("leaves no file behind on a disk that is full from the start", () => {
    const write = () => {
      throw new Error("ENOSPC: no space left on device, write");
    };
    const file = make(path("full"), false, { write });
    expect(() => file.append(Buffer.from("abc"))).toThrow("ENOSPC");
    file.truncate(0);
    file.close();
    expect(existsSync(path("full"))).toBe(false);
    const again = make(path("full"), false);
    again.append(Buffer.from("abc"));
    again.close();
    expect(readFileSync(path("full"), "utf8")).toBe("abc");
  });

  test("does not follow a link that somebody has put there", () => {
    symlinkSync(path("target"), path("link"));
    expect(failure(() => make(path("link"), false)).exitCode).toBe(73);
    expect(existsSync(path("target"))).toBe(false);
  });

  test("follows no link of somebody else where everybody may put files, whatever the system is set to", () => {
    mkdirSync(path("shared"));
    chmodSync(path("shared"), 0o1777);
    writeFileSync(path("secret"), "secret", { mode: 0o600 });
    symlinkSync(path("secret"), path("shared/planted"));
    const owner = process.geteuid?.() ?? 0;
    const linkFactsAt = (at: string) => {
      const facts = systemFiles.linkFactsAt(at);
      return Object.assign(Object.create(facts) as typeof facts, { uid: owner + 1 });
    };
    expect(failure(() => make(path("shared/planted"), true, { linkFactsAt }))).toEqual({
      exitCode: 73,
      message: `cannot record to ${path("shared/planted")}: the symbolic link ${path("shared/planted")} belongs to user ${owner + 1}`,
    });
    linkSync(path("secret"), path("shared/hard"));
    expect(failure(() => make(path("shared/hard"), true))).toEqual({
      exitCode: 73,
      message: `cannot record to ${path("shared/hard")}: it has a second name (a hard link), in a directory where others may put files`,
    });
    expect(readFileSync(path("secret"), "utf8")).toBe("secret");
  });

  test("follows no link that takes the place of what was looked at", () => {
    writeFileSync(path("victim"), "victim");
    writeFileSync(path("looked at"), "");
    const open: Files["open"] = (at, flags, mode) => {
      rmSync(at);
      symlinkSync(path("victim"), at);
      return systemFiles.open(at, flags, mode);
    };
    expect(failure(() => make(path("looked at"), true, { open }))).toEqual({
      exitCode: 74,
      message: `cannot write to ${path("looked at")}: ELOOP: too many symbolic links encountered`,
    });
    expect(readFileSync(path("victim"), "utf8")).toBe("victim");
  });

  test("gives it to its owner to write and to its group to read", () => {
    const before = process.umask(0);
    try {
      const file = make(path("mode"), false);
      file.append(Buffer.from("x"));
      file.close();
    } finally {
      process.umask(before);
    }
    expect(statSync(path("mode")).mode & 0o7777).toBe(0o640);
  });

  test("refuses what another tcptop writes to, and leaves it", () => {
    writeFileSync(path("busy"), "busy");
    expect(failure(() => make(path("busy"), true, { lock: () => false }))).toEqual({
      exitCode: 73,
      message: `cannot record to ${path("busy")}: another tcptop writes to it`,
    });
    expect(readFileSync(path("busy"), "utf8")).toBe("busy");
  });

  test("removes nothing that has taken its place", () => {
    const file = make(path("mine"), false);
    renameSync(path("mine"), path("moved"));
    writeFileSync(path("mine"), "");
    file.close();
    expect([existsSync(path("mine")), existsSync(path("moved"))]).toEqual([true, true]);
  });

  test("refuses a folder, a pipe and a folder that is not there, with 73", () => {
    mkdirSync(path("folder"));
    spawnSync("mkfifo", [path("pipe")]);
    expect(failure(() => make(path("folder"), true))).toMatchObject({ exitCode: 73 });
    expect(failure(() => make(path("pipe"), true))).toMatchObject({ exitCode: 73 });
    expect(failure(() => make("/dev/null", true))).toEqual({
      exitCode: 73,
      message: "cannot record to /dev/null: it is not a regular file",
    });
    expect(failure(() => make(path("none/x"), false))).toEqual({
      exitCode: 73,
      message: `cannot create ${path("none/x")}: ENOENT: no such file or directory`,
    });
  });

  test.skipIf(process.getuid?.() === 0)("refuses a file that may not be written, with 74 (root may)", () => {
    writeFileSync(path("closed"), "x");
    chmodSync(path("closed"), 0o400);
    expect(failure(() => make(path("closed"), true))).toMatchObject({ exitCode: 74 });
    expect(readFileSync(path("closed"), "utf8")).toBe("x");
  });

  test("notices that the file was removed", () => {
    const file = make(path("gone"), false);
    rmSync(path("gone"));
    expect(() => file.append(Buffer.from("x"))).toThrow("the file was removed");
    file.close();
  });
});

describe("opening one", () => {
  test("reads anywhere in a file, and up to its end", async () => {
    writeFileSync(path("digits"), "0123456789");
    const source = openRecordingSource(path("digits"), NOTHING);
    expect(source.isSeekable).toBe(true);
    expect((await source.read(7, 2)).toString()).toBe("78");
    expect((await source.read(2, 3)).toString()).toBe("234");
    expect((await source.read(8, 9)).toString()).toBe("89");
    expect((await source.read(99, 9)).toString()).toBe("");
    source.close();
  });

  test("reads standard input in its order, however it comes", async () => {
    const source = openRecordingSource(
      "-",
      Readable.from([Buffer.from("01"), Buffer.from("23456"), Buffer.from("7")]),
    );
    expect(source.isSeekable).toBe(false);
    const reads: string[] = [];
    for (const [position, bytes] of [
      [0, 1],
      [1, 4],
      [5, 0],
      [5, 9],
      [8, 1],
    ] as const) {
      reads.push((await source.read(position, bytes)).toString());
    }
    expect(reads).toEqual(["0", "1234", "", "567", ""]);
    source.close();
  });

  test("is a wrong value where there is nothing to read", () => {
    expect(failure(() => openRecordingSource(path("nothing"), NOTHING))).toEqual({
      exitCode: 64,
      message: `--replay: cannot read '${path("nothing")}': ENOENT: no such file or directory`,
    });
    expect(failure(() => openRecordingSource(folder, NOTHING))).toEqual({
      exitCode: 64,
      message: `--replay: cannot read '${folder}': it is a directory`,
    });
  });
});
