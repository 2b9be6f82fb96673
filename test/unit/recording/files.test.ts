import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, test } from "vitest";
import { createRecordingFile, openRecordingSource } from "../../../src/recording/files.ts";

const folder = mkdtempSync(join(tmpdir(), "tcptop-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NOTHING = Readable.from([]);
const path = (name: string) => join(folder, name);

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
    const file = createRecordingFile(path("new"), false);
    file.append(Buffer.from("abc"));
    file.append(Buffer.from("def"));
    file.truncate(4);
    file.close();
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    expect(failure(() => createRecordingFile(path("new"), false))).toEqual({
      exitCode: 73,
      message: `cannot create ${path("new")}: it exists; --overwrite replaces it`,
    });
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    const over = createRecordingFile(path("new"), true);
    expect(readFileSync(path("new"), "utf8")).toBe("abcd");
    over.append(Buffer.from("x"));
    over.append(Buffer.from("y"));
    over.close();
    expect(readFileSync(path("new"), "utf8")).toBe("xy");
  });

  test("leaves all as it was where nothing is written", () => {
    writeFileSync(path("old"), "old");
    createRecordingFile(path("old"), true).discard();
    createRecordingFile(path("fresh"), true).discard();
    expect([readFileSync(path("old"), "utf8"), existsSync(path("fresh"))]).toEqual(["old", false]);
  });

  test("does not follow a link that somebody has put there", () => {
    symlinkSync(path("target"), path("link"));
    expect(failure(() => createRecordingFile(path("link"), false)).exitCode).toBe(73);
    expect(existsSync(path("target"))).toBe(false);
  });

  test("refuses a folder, a pipe and a folder that is not there, with 73", () => {
    mkdirSync(path("folder"));
    spawnSync("mkfifo", [path("pipe")]);
    expect(failure(() => createRecordingFile(path("folder"), true))).toMatchObject({ exitCode: 73 });
    expect(failure(() => createRecordingFile(path("pipe"), true))).toMatchObject({ exitCode: 73 });
    expect(failure(() => createRecordingFile("/dev/null", true))).toEqual({
      exitCode: 73,
      message: "cannot create /dev/null: it is not a regular file",
    });
    expect(failure(() => createRecordingFile(path("none/x"), false))).toEqual({
      exitCode: 73,
      message: `cannot create ${path("none/x")}: ENOENT: no such file or directory`,
    });
  });

  test.skipIf(process.getuid?.() === 0)("refuses a file that may not be written, with 73 (root may)", () => {
    writeFileSync(path("mine"), "x");
    chmodSync(path("mine"), 0o400);
    expect(failure(() => createRecordingFile(path("mine"), true))).toMatchObject({ exitCode: 73 });
    expect(readFileSync(path("mine"), "utf8")).toBe("x");
  });

  test("notices that the file was removed", () => {
    const file = createRecordingFile(path("gone"), false);
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
