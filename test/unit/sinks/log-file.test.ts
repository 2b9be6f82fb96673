import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FileFacts, FileInUse, Files, OutputKeeper } from "../../../src/base/output-file.ts";
import { systemFiles } from "../../../src/cli/files.ts";
import { LogFile } from "../../../src/sinks/log-file.ts";
import { systemError } from "../../support/world.ts";

const HEADER = "time,event\n";
const FULL = systemError("ENOSPC", "ENOSPC: no space left on device, write");

let folder = "";
let path = "";
let remarks: string[] = [];
let opened: LogFile[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tcptop-log-"));
  path = join(folder, "log.csv");
  remarks = [];
  opened = [];
});
afterEach(() => {
  for (const file of opened) file.close();
  rmSync(folder, { recursive: true });
});

function made(calls: Partial<Files> = {}, at = path, inUse: readonly FileInUse[] = []): LogFile {
  const files: Files = { ...systemFiles, lock: () => true, ...calls };
  const file = new LogFile(files, at, {
    headers: { current: HEADER, oldest: "time" },
    wallMs: () => Date.UTC(2026, 10, 21, 23, 59),
    inUse,
    tell: (remark) => remarks.push(remark),
  });
  opened.push(file);
  return file;
}

function openFile(calls: Partial<Files> = {}): LogFile {
  const file = made(calls);
  file.open(false);
  return file;
}

function text(at = path): string {
  return readFileSync(at, "utf8");
}

/** Exit code and message of what is thrown. */
function failure(call: () => void): [unknown, unknown] {
  try {
    call();
  } catch (error) {
    return [Reflect.get(Object(error), "exitCode"), Reflect.get(Object(error), "message")];
  }
  throw new Error("nothing was thrown");
}

/** A disk with room for so many bytes more; a write that finds some of it is short. */
function disk(bytes: number) {
  const room = { bytes };
  return {
    room,
    write(fd: number, from: Uint8Array, start: number): number {
      const fits = Math.min(room.bytes, from.length - start);
      if (fits === 0) throw FULL;
      room.bytes -= fits;
      return systemFiles.write(fd, from.subarray(0, start + fits), start);
    },
  };
}

describe("a new file", () => {
  test("gets the header with the first rows, once", () => {
    const file = openFile();
    file.append("1,open\n");
    file.append("");
    file.append("2,close\n");
    expect(text()).toBe(`${HEADER}1,open\n2,close\n`);
  });

  test("gets the header also without rows", () => {
    openFile().append("");
    expect(text()).toBe(HEADER);
  });

  test("is for its owner to write and its group to read", () => {
    const before = process.umask(0);
    try {
      openFile().append("");
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test("that was never written to is removed again, but nothing in its place", () => {
    const file = openFile();
    expect(text()).toBe("");
    file.close();
    expect(() => statSync(path)).toThrow(/ENOENT/);

    const other = openFile();
    renameSync(path, `${path}.1`);
    writeFileSync(path, "");
    other.close();
    expect(text()).toBe("");
  });

  test("that cannot be made is 73", () => {
    expect(failure(() => made({}, join(folder, "no", "log.csv")).open(false))).toEqual([
      73,
      `cannot create ${join(folder, "no", "log.csv")}: ENOENT: no such file or directory`,
    ]);
    writeFileSync(path, "");
    expect(failure(() => made({}, join(path, "log.csv")).open(false))).toEqual([
      73,
      `cannot create ${join(path, "log.csv")}: ENOTDIR: not a directory`,
    ]);
  });
});

describe("a file that is there", () => {
  test("and empty is a new one, and stays when nothing is written", () => {
    writeFileSync(path, "");
    openFile().close();
    expect(text()).toBe("");
    openFile().append("1,open\n");
    expect(text()).toBe(`${HEADER}1,open\n`);
  });

  test("with this header is appended to", () => {
    writeFileSync(path, `${HEADER}1,open\n`);
    openFile().append("2,open\n");
    expect(text()).toBe(`${HEADER}1,open\n2,open\n`);
    expect(remarks).toEqual([]);
  });

  test.each([
    ["other text", "notes\n"],
    ["a header with more columns", "time,event,more\n1,open,x\n"],
    ["a header with fewer that no version had", "time,ev\n"],
    ["a header whose last column is cut short", "time,even\n"],
    ["an older header with another end", "time\r\n"],
    ["an older header without its end", "time"],
    ["half a header", "time,ev"],
    ["the header without its end", "time,event"],
    ["the header further below", `\n${HEADER}`],
    ["bytes that are no text", "\xff\xfe\0"],
  ])("with %s is refused with 73 and left as it was", (_, before) => {
    writeFileSync(path, before, "latin1");
    const { mtimeNs } = statSync(path, { bigint: true });
    expect(failure(() => openFile())).toEqual([
      73,
      `cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it`,
    ]);
    expect(readFileSync(path, "latin1")).toBe(before);
    expect(statSync(path, { bigint: true }).mtimeNs).toBe(mtimeNs);
  });

  test("is replaced by --overwrite, with the first rows", () => {
    writeFileSync(path, "notes\nand half a line");
    const file = made();
    file.open(true);
    expect(text()).toBe("notes\nand half a line");
    file.append("1,open\n");
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}1,open\n2,open\n`);
    expect(remarks).toEqual([]);
    file.reopen();
    file.append("3,open\n");
    expect(text()).toBe(`${HEADER}1,open\n2,open\n3,open\n`);
  });

  test.each([
    ["a row", "2,op", 4],
    ["a row longer than what is read at once", "x".repeat(150_000), 150_000],
    ["bytes that a crash of the machine left", "\0\0\0", 3],
  ])("that ends in half of %s loses that, and it is told", (_, half, bytes) => {
    writeFileSync(path, `${HEADER}1,open\n${half}`);
    const file = openFile();
    expect(text()).toBe(`${HEADER}1,open\n${half}`);
    expect(remarks).toEqual([`${path} ends in an unfinished row of ${bytes} bytes, which is cut off`]);
    file.append("3,open\n");
    expect(text()).toBe(`${HEADER}1,open\n3,open\n`);
  });

  test("that another tcptop has is refused with 73", () => {
    writeFileSync(path, HEADER);
    expect(failure(() => openFile({ lock: () => false }))).toEqual([
      73,
      `cannot log to ${path}: another tcptop writes to it`,
    ]);
  });

  test("that standard output goes to is refused with 64, whatever its name", () => {
    writeFileSync(path, "");
    symlinkSync("log.csv", join(folder, "link"));
    linkSync(path, join(folder, "hard"));
    const { dev, ino } = statSync(path);
    for (const name of ["log.csv", "link", "hard"]) {
      const at = join(folder, name);
      const file = made({}, at, [{ name: "standard output", dev, ino }]);
      expect(failure(() => file.open(false))).toEqual([
        64,
        `cannot log to ${at}: it is also the file of standard output`,
      ]);
    }
    expect(text()).toBe("");
  });

  test("is not followed to where it leads since it was looked at", () => {
    const victim = join(folder, "victim");
    writeFileSync(victim, "");
    writeFileSync(path, HEADER);
    const open: Files["open"] = (at, flags, mode) => {
      unlinkSync(at);
      symlinkSync(victim, at);
      return systemFiles.open(at, flags, mode);
    };
    expect(failure(() => openFile({ open }))).toEqual([
      74,
      `cannot write to ${path}: ELOOP: too many symbolic links encountered`,
    ]);
    expect(text(victim)).toBe("");
  });

  test.each([
    ["a directory", () => mkdirSync(path), "it is a directory"],
    [
      "a pipe, without waiting for its reader",
      () => execFileSync("mkfifo", [path]),
      "it is not a regular file; --format csv writes to standard output",
    ],
    [
      "a device",
      () => symlinkSync("/dev/null", path),
      "it is not a regular file; --format csv writes to standard output",
    ],
    [
      "a symbolic link to nothing",
      () => symlinkSync("nothing", path),
      "it is a symbolic link to a file that does not exist",
    ],
  ])("and is %s is refused with 73", (_, make, why) => {
    make();
    expect(failure(() => openFile())).toEqual([73, `cannot log to ${path}: ${why}`]);
  });

  test("may be named by a symbolic link", () => {
    const target = join(folder, "target");
    writeFileSync(target, HEADER);
    symlinkSync("target", path);
    openFile().append("1,open\n");
    expect(text(target)).toBe(`${HEADER}1,open\n`);
  });

  test("that cannot be opened for writing is 74", () => {
    writeFileSync(path, HEADER);
    const readOnly = systemError("EROFS", `EROFS: read-only file system, open '${path}'`);
    const open = () => {
      throw readOnly;
    };
    expect(failure(() => openFile({ open }))).toEqual([
      74,
      `cannot write to ${path}: EROFS: read-only file system`,
    ]);
  });
});

describe("a file of an older version", () => {
  const OLDER = "time\n1\n2";
  const aside = () => `${path}.2026-11-21`;

  test("is set aside under the date before the first rows, and told", () => {
    writeFileSync(path, OLDER);
    const file = openFile();
    expect([text(), remarks]).toEqual([OLDER, []]);
    file.append("1,open\n");
    file.append("2,open\n");
    expect([text(aside()), text()]).toEqual([OLDER, `${HEADER}1,open\n2,open\n`]);
    expect(remarks).toEqual([
      `${path} has the columns of an older tcptop; it is now ${aside()}, and a new file is begun`,
    ]);
    expect(statSync(path).mode & 0o137).toBe(0);
  });

  test("stays as it was when nothing is written", () => {
    writeFileSync(path, OLDER);
    openFile().close();
    expect([text(), remarks, readdirSync(folder)]).toEqual([OLDER, [], ["log.csv"]]);
  });

  test("gets a name that is free", () => {
    writeFileSync(path, OLDER);
    writeFileSync(aside(), "kept");
    symlinkSync("nowhere", `${aside()}.2`);
    openFile().append("1,open\n");
    expect([text(aside()), text(`${aside()}.3`), text()]).toEqual(["kept", OLDER, `${HEADER}1,open\n`]);
  });

  test("that SIGHUP finds is set aside, too", () => {
    const file = openFile();
    file.append("1,open\n");
    renameSync(path, `${path}.1`);
    writeFileSync(path, OLDER);
    file.reopen();
    file.append("2,open\n");
    expect([text(aside()), text(), remarks.length]).toEqual([OLDER, `${HEADER}2,open\n`, 1]);
  });

  test("that a link names is set aside where it is", () => {
    const inner = join(folder, "inner");
    mkdirSync(inner);
    writeFileSync(join(inner, "target"), OLDER);
    symlinkSync("inner/target", path);
    const file = openFile();
    file.append("1,open\n");
    file.reopen();
    file.append("2,open\n");
    expect([text(join(inner, "target.2026-11-21")), text()]).toEqual([OLDER, `${HEADER}1,open\n2,open\n`]);
  });

  test("that was moved meanwhile is left alone, and so is what has its place", () => {
    writeFileSync(path, OLDER);
    const file = openFile();
    renameSync(path, `${path}.1`);
    writeFileSync(path, `${HEADER}0,open\n`);
    file.append("1,open\n");
    expect([text(`${path}.1`), text(), remarks]).toEqual([OLDER, `${HEADER}0,open\n1,open\n`, []]);
    expect(readdirSync(folder)).toEqual(["log.csv", "log.csv.1"]);
  });

  test("that is replaced while it is renamed: what was renamed instead is named", () => {
    writeFileSync(path, OLDER);
    const rename: Files["rename"] = (from, to) => {
      renameSync(path, `${path}.1`);
      writeFileSync(path, "another's");
      systemFiles.rename(from, to);
    };
    const file = openFile({ rename });
    expect(failure(() => file.append("1,open\n"))).toEqual([
      73,
      `cannot log to ${path}: another program replaced it, and what it put there is now ${aside()}`,
    ]);
    expect([text(`${path}.1`), text(aside())]).toEqual([OLDER, "another's"]);
  });

  test("that cannot be set aside is 74 and stays, and nothing else does", () => {
    writeFileSync(path, OLDER);
    let isRefused = true;
    const rename: Files["rename"] = (from, to) => {
      if (isRefused)
        throw systemError("EPERM", `EPERM: operation not permitted, rename '${from}' -> '${to}'`);
      systemFiles.rename(from, to);
    };
    const file = openFile({ rename });
    expect(failure(() => file.append("1,open\n"))).toEqual([
      74,
      `cannot rename ${path}, the log of an older tcptop: EPERM: operation not permitted`,
    ]);
    expect([text(), readdirSync(folder)]).toEqual([OLDER, ["log.csv"]]);
    isRefused = false;
    file.append("2,open\n");
    expect([text(aside()), text()]).toEqual([OLDER, `${HEADER}2,open\n`]);
  });

  test("is replaced by --overwrite, like any other", () => {
    writeFileSync(path, OLDER);
    const file = made();
    file.open(true);
    file.append("1,open\n");
    expect([text(), readdirSync(folder), remarks]).toEqual([`${HEADER}1,open\n`, ["log.csv"], []]);
  });
});

describe("where everybody may put files", () => {
  const asUser = (userId: number, change: (facts: FileFacts) => Partial<FileFacts> = () => ({})) => {
    const changed = (facts: FileFacts): FileFacts =>
      Object.assign(Object.create(facts) as FileFacts, change(facts));
    return {
      userId,
      facts: (fd: number) => changed(systemFiles.facts(fd)),
      linkFactsAt: (at: string) => changed(systemFiles.linkFactsAt(at)),
    };
  };
  const owner = process.geteuid?.() ?? 0;
  const planted = (uid: number) =>
    `cannot log to ${path}: it belongs to user ${uid}, in a directory where others may put files`;

  test("a file of somebody else is refused with 73", () => {
    writeFileSync(path, HEADER);
    chmodSync(folder, 0o1777);
    expect(failure(() => openFile(asUser(owner, () => ({ uid: owner + 1 }))))).toEqual([
      73,
      planted(owner + 1),
    ]);
    expect(text()).toBe(HEADER);
  });

  test("so is a link of somebody else, wherever it leads", () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "tcptop-log-"));
    try {
      writeFileSync(join(elsewhere, "target"), "");
      symlinkSync(join(elsewhere, "target"), path);
      chmodSync(folder, 0o1777);
      const links = asUser(owner, (facts) => (facts.isSymbolicLink() ? { uid: owner + 1 } : {}));
      expect(failure(() => openFile(links))).toEqual([
        73,
        `cannot log to ${path}: the symbolic link ${path} belongs to user ${owner + 1}`,
      ]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  test("one's own file, root's and that of who called sudo are fine", () => {
    chmodSync(folder, 0o1777);
    openFile().append("1,open\n");
    openFile(asUser(owner, () => ({ uid: 0 }))).append("2,open\n");
    const bySudo = { ...asUser(owner, () => ({ uid: owner + 1 })), invokerId: owner + 1 };
    openFile(bySudo).append("3,open\n");
    expect(text()).toBe(`${HEADER}1,open\n2,open\n3,open\n`);
  });

  test("a file with another name, too, is refused with 73", () => {
    writeFileSync(path, HEADER);
    linkSync(path, join(folder, "hard"));
    chmodSync(folder, 0o1777);
    expect(failure(() => openFile())).toEqual([
      73,
      `cannot log to ${path}: it has a second name (a hard link), in a directory where others may put files`,
    ]);
  });

  test("elsewhere anybody's file is", () => {
    writeFileSync(path, HEADER);
    for (const mode of [0o755, 0o1755]) {
      chmodSync(folder, mode);
      openFile(asUser(owner, () => ({ uid: owner + 1 }))).append("1,open\n");
    }
    expect(text()).toBe(`${HEADER}1,open\n1,open\n`);
  });
});

describe("when writing fails", () => {
  test("half-way, the file is as before, and what comes later is written", () => {
    const { room, write } = disk(HEADER.length + 10);
    const file = openFile({ write });
    file.append("1,open\n");
    expect(failure(() => file.append("2,open\n"))).toEqual([
      74,
      `cannot write to ${path}: ENOSPC: no space left on device`,
    ]);
    expect(text()).toBe(`${HEADER}1,open\n`);
    room.bytes = 100;
    file.append("3,open\n");
    expect(text()).toBe(`${HEADER}1,open\n3,open\n`);
  });

  test("in the header, the next rows come with a whole one", () => {
    const { room, write } = disk(5);
    const file = openFile({ write });
    expect(failure(() => file.append("1,open\n"))[0]).toBe(74);
    expect(text()).toBe("");
    room.bytes = 100;
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}2,open\n`);
  });

  test("and so does cutting, half a row stays at the end, never inside, and it is told", () => {
    const { room, write } = disk(HEADER.length + 10);
    let mayCut = false;
    const truncate = (fd: number, bytes: number) => {
      if (!mayCut) throw systemError("EPERM", "EPERM: operation not permitted, ftruncate");
      systemFiles.truncate(fd, bytes);
    };
    const file = openFile({ write, truncate });
    file.append("1,open\n");
    expect(failure(() => file.append("2,open\n"))).toEqual([
      74,
      `cannot write to ${path}: ENOSPC: no space left on device; half a row is left at its end: EPERM: operation not permitted`,
    ]);
    room.bytes = 100;
    expect(failure(() => file.append("3,open\n"))).toEqual([
      74,
      `cannot write to ${path}: EPERM: operation not permitted`,
    ]);
    expect(text()).toBe(`${HEADER}1,open\n2,o`);
    mayCut = true;
    file.append("4,open\n");
    expect(text()).toBe(`${HEADER}1,open\n4,open\n`);
  });

  test("a write that takes nothing is a failure, not a wait", () => {
    expect(failure(() => openFile({ write: () => 0 }).append("1,open\n"))).toEqual([
      74,
      `cannot write to ${path}: nothing was written`,
    ]);
  });

  test("at closing, it is 74", () => {
    let isClosed = true;
    const close = (fd: number) => {
      systemFiles.close(fd);
      if (!isClosed) {
        isClosed = true;
        throw systemError("EDQUOT", "EDQUOT: disk quota exceeded, close");
      }
    };
    const file = openFile({ close });
    file.append("1,open\n");
    isClosed = false;
    expect(failure(() => file.close())).toEqual([74, `cannot write to ${path}: EDQUOT: disk quota exceeded`]);
    file.close();
  });
});

describe("when somebody else touches the file", () => {
  test("a moved one is written to until it is reopened", () => {
    const file = openFile();
    file.append("1,open\n");
    renameSync(path, `${path}.1`);
    file.append("2,open\n");
    file.reopen();
    file.append("3,open\n");
    expect([text(`${path}.1`), text()]).toEqual([`${HEADER}1,open\n2,open\n`, `${HEADER}3,open\n`]);
  });

  test("a deleted one is made anew", () => {
    const file = openFile();
    file.append("1,open\n");
    unlinkSync(path);
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}2,open\n`);
  });

  test("one that has another name, too, is not deleted", () => {
    const file = openFile();
    file.append("1,open\n");
    linkSync(path, `${path}.1`);
    unlinkSync(path);
    file.append("2,open\n");
    expect(text(`${path}.1`)).toBe(`${HEADER}1,open\n2,open\n`);
  });

  test("without its directory it is 74, until the directory is back", () => {
    const inner = join(folder, "inner");
    const at = join(inner, "log.csv");
    mkdirSync(inner);
    const file = made({}, at);
    file.open(false);
    file.append("1,open\n");
    rmSync(inner, { recursive: true });
    for (let i = 0; i < 2; i++) {
      expect(failure(() => file.append("2,open\n"))).toEqual([
        74,
        `cannot create ${at}: ENOENT: no such file or directory`,
      ]);
    }
    mkdirSync(inner);
    file.append("3,open\n");
    expect(text(at)).toBe(`${HEADER}3,open\n`);
  });

  test("one that took its place and is not ours is refused with 73 and left as it is", () => {
    const file = openFile();
    file.append("1,open\n");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "notes\n");
    const refused = [
      73,
      `cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it`,
    ];
    expect(failure(() => file.reopen())).toEqual(refused);
    expect(failure(() => file.append("2,open\n"))).toEqual(refused);
    expect(text()).toBe("notes\n");
    unlinkSync(path);
    file.append("3,open\n");
    expect(text()).toBe(`${HEADER}3,open\n`);
  });

  test("an emptied one gets the header again", () => {
    const file = openFile();
    file.append("1,open\n");
    truncateSync(path);
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}2,open\n`);
  });

  test("an emptied one is not made longer by cutting off half a row", () => {
    const { room, write } = disk(HEADER.length + 10);
    let isRefused = true;
    const truncate = (fd: number, bytes: number) => {
      if (isRefused) throw systemError("EPERM", "EPERM: operation not permitted, ftruncate");
      systemFiles.truncate(fd, bytes);
    };
    const file = openFile({ write, truncate });
    file.append("1,open\n");
    expect(failure(() => file.append("2,open\n"))[0]).toBe(74);
    truncateSync(path);
    isRefused = false;
    room.bytes = 100;
    file.append("3,open\n");
    expect(text()).toBe(`${HEADER}3,open\n`);
  });

  test("what others append stays", () => {
    const file = openFile();
    file.append("1,open\n");
    appendFileSync(path, "x,open\n");
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}1,open\nx,open\n2,open\n`);
  });
});

describe("a file that another process opens later", () => {
  /** Who opens it: by its folder and name, and refuses to with an error where that is set. */
  class Keeper implements OutputKeeper {
    readonly calls: string[] = [];
    refusal: Error | null = null;
    #at = "";

    keep(fd: number, name: string, owner: number): number {
      const at = readlinkSync(`/proc/self/fd/${fd}`);
      this.calls.push(owner === 0 ? `keep ${name}` : `keep ${name} of ${owner}`);
      this.#at = join(at, name);
      return 7;
    }

    open(output: number, mustBeNew: boolean) {
      this.calls.push(`open ${output}${mustBeNew ? " new" : ""}`);
      if (this.refusal !== null) throw this.refusal;
      const isNew = !existsSync(this.#at);
      return { fd: openSync(this.#at, mustBeNew ? "ax+" : "a+"), isNew };
    }

    drop(output: number, fd: number): void {
      this.calls.push(`drop ${output}`);
      if (fstatSync(fd).size === 0) unlinkSync(this.#at);
    }

    move(output: number, _: number, suffix: string): void {
      this.calls.push(`move ${output} ${suffix}`);
      renameSync(this.#at, this.#at + suffix);
    }
  }

  const refused = (code: string) => systemError(code, `${code}: refused`);

  test("is named once, when it is open for the first time", () => {
    const keeper = new Keeper();
    const file = openFile({ keeper });
    expect(keeper.calls).toEqual(["keep log.csv"]);
    file.append("1,open\n");
    renameSync(path, `${path}.1`);
    file.reopen();
    file.append("2,open\n");
    expect(keeper.calls).toEqual(["keep log.csv", "drop 7", "open 7"]);
    expect([text(`${path}.1`), text()]).toEqual([`${HEADER}1,open\n`, `${HEADER}2,open\n`]);
  });

  test("is removed by it where nothing was written, and set aside by it", () => {
    const keeper = new Keeper();
    openFile({ keeper }).close();
    expect(keeper.calls).toEqual(["keep log.csv", "drop 7"]);
    expect(readdirSync(folder)).toEqual([]);

    writeFileSync(path, "time\n1\n");
    const other = new Keeper();
    const file = openFile({ keeper: other });
    file.append("2,open\n");
    expect(other.calls).toEqual(["keep log.csv", "move 7 .2026-11-21", "open 7 new"]);
    expect([text(`${path}.2026-11-21`), text()]).toEqual(["time\n1\n", `${HEADER}2,open\n`]);
  });

  test.each(["EACCES", "EPERM", "EINVAL"])("is opened here where that answers %s", (code) => {
    const keeper = new Keeper();
    const file = openFile({ keeper });
    file.append("1,open\n");
    keeper.refusal = refused(code);
    file.reopen();
    file.append("2,open\n");
    expect(text()).toBe(`${HEADER}1,open\n2,open\n`);
    expect(keeper.calls).toEqual(["keep log.csv", "drop 7", "open 7"]);
  });

  test.each([
    ["open", "EROFS", "cannot write to"],
    ["create", "ENOSPC", "cannot create"],
  ])("ends with 74 where it cannot %s it: %s", (syscall, code, message) => {
    const keeper = new Keeper();
    const file = openFile({ keeper });
    file.append("1,open\n");
    keeper.refusal = Object.assign(refused(code), { syscall });
    expect(failure(() => file.reopen())).toEqual([74, `${message} ${path}: ${code}: refused`]);
  });

  test("is looked at as one that is opened here", () => {
    const keeper = new Keeper();
    const file = openFile({ keeper });
    file.append("1,open\n");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "notes\n");
    expect(failure(() => file.reopen())[0]).toBe(73);
    expect(text()).toBe("notes\n");
  });
});
