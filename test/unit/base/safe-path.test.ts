/** Which links and files root and other users write through, with real owners: needs root to give files away. */
import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Files, OutputFile } from "../../../src/base/output-file.ts";
import { systemFiles } from "../../../src/cli/files.ts";

const STRANGER = 65_534;
const ROOT_ONLY = { skip: process.geteuid?.() !== 0 };

let top = "";
let descriptors = 0;

const at = (name: string) => join(top, name);

beforeEach(() => {
  top = mkdtempSync(join(realpathSync(tmpdir()), "tcptop-path-"));
  mkdirSync(at("private"), { mode: 0o700 });
  writeFileSync(at("private/victim"), "secret", { mode: 0o600 });
  descriptors = 0;
});
afterEach(() => rmSync(top, { recursive: true }));

function folder(name: string, mode: number, owner = 0, group = owner): void {
  mkdirSync(at(name));
  chmodSync(at(name), mode);
  lchownSync(at(name), owner, group);
}

function link(target: string, name: string, owner = STRANGER): void {
  symlinkSync(target, at(name));
  lchownSync(at(name), owner, owner);
}

function file(name: string, owner: number): void {
  writeFileSync(at(name), "old");
  lchownSync(at(name), owner, owner);
}

/** What opening with --overwrite says, or the path that was opened. Every other descriptor is closed again. */
function open(path: string, calls: Partial<Files> = {}): string {
  const files: Files = {
    ...systemFiles,
    lock: () => true,
    openFolder(path) {
      descriptors++;
      return systemFiles.openFolder(path);
    },
    close(fd) {
      descriptors--;
      systemFiles.close(fd);
    },
    ...calls,
  };
  try {
    const { fd, place } = new OutputFile(files, path, { verb: "record", hint: "" }, []).open(true);
    closeSync(fd);
    return place;
  } catch (error) {
    const { exitCode, message } = error as { exitCode: number; message: string };
    return `${exitCode} ${message.replace(`cannot record to ${path}: `, "")}`;
  } finally {
    expect(descriptors).toBe(0);
  }
}

describe("a link that somebody else may have put there", ROOT_ONLY, () => {
  const strange = (name: string) => `73 the symbolic link ${at(name)} belongs to user ${STRANGER}`;
  const replaceable = (name: string) =>
    `73 the symbolic link ${at(name)} is in a directory where others may put files`;

  test.for<[string, () => void, string, () => string]>([
    [
      "in that user's directory",
      () => {
        folder("x", 0o755, STRANGER);
        link(at("private/victim"), "x/l");
      },
      "x/l",
      () => strange("x/l"),
    ],
    [
      "in a directory of a group",
      () => {
        folder("x", 0o775, 0, STRANGER);
        link(at("private/victim"), "x/l");
      },
      "x/l",
      () => strange("x/l"),
    ],
    [
      "in a directory of everybody that is not sticky",
      () => {
        folder("x", 0o777);
        link(at("private/victim"), "x/l");
      },
      "x/l",
      () => strange("x/l"),
    ],
    [
      "to a directory, in a sticky one",
      () => {
        folder("x", 0o1777);
        link(at("private"), "x/l");
      },
      "x/l/victim",
      () => strange("x/l"),
    ],
    [
      "behind one of root in a safe directory",
      () => {
        folder("x", 0o1777);
        link(at("private/victim"), "x/l");
        link("../x/l", "private/chain", 0);
      },
      "private/chain",
      () => strange("x/l"),
    ],
    [
      "below that user's directory",
      () => {
        folder("x", 0o755, STRANGER);
        folder("x/sub", 0o755, STRANGER);
        link(at("private/victim"), "x/sub/l");
      },
      "x/sub/l",
      () => strange("x/sub/l"),
    ],
    [
      "in root's directory below that user's",
      () => {
        folder("x", 0o755, STRANGER);
        folder("x/sub", 0o755);
        link(at("private/victim"), "x/sub/l");
      },
      "x/sub/l",
      () => strange("x/sub/l"),
    ],
    [
      "of root, in a directory of a group",
      () => {
        folder("x", 0o775);
        link(at("private/victim"), "x/l", 0);
      },
      "x/l",
      () => replaceable("x/l"),
    ],
    [
      "of root, in root's directory below another user's",
      () => {
        folder("x", 0o755, STRANGER);
        folder("x/sub", 0o755);
        link(at("private/victim"), "x/sub/l", 0);
      },
      "x/sub/l",
      () => replaceable("x/sub/l"),
    ],
    [
      "beyond dots",
      () => {
        folder("x", 0o1777);
        link(at("private"), "x/l");
      },
      "private/../x/./l/../private/victim",
      () => strange("x/l"),
    ],
  ])("%s is not followed: 73", ([, make, path, answer]) => {
    make();
    expect(open(`${top}/${path}`)).toBe(answer());
    expect(readFileSync(at("private/victim"), "utf8")).toBe("secret");
  });

  test("is not followed where it takes a directory's place after that was looked at", () => {
    folder("x", 0o755, STRANGER);
    folder("x/sub", 0o755, STRANGER);
    file("x/sub/victim", 0);
    const openFolder: Files["openFolder"] = (path) => {
      if (path.endsWith("/sub")) {
        renameSync(at("x/sub"), at("x/moved"));
        link(at("private"), "x/sub");
      }
      descriptors++;
      try {
        return systemFiles.openFolder(path);
      } catch (error) {
        descriptors--;
        throw error;
      }
    };
    expect(open(at("x/sub/victim"), { openFolder })).toBe(
      `73 cannot create ${at("x/sub/victim")}: ENOTDIR: not a directory`,
    );
  });

  test("nor after the directory was opened", () => {
    folder("x", 0o755, STRANGER);
    folder("x/sub", 0o755, STRANGER);
    file("x/sub/victim", 0);
    const opened: string[] = [];
    const calls: Partial<Files> = {
      open(path, flags, mode) {
        renameSync(at("x/sub"), at("x/moved"));
        link(at("private"), "x/sub");
        const fd = systemFiles.open(path, flags, mode);
        opened.push(realpathSync(`/proc/self/fd/${fd}`));
        return fd;
      },
    };
    expect(open(at("x/sub/victim"), calls)).toBe(at("x/sub/victim"));
    expect(opened).toEqual([at("x/moved/victim")]);
  });
});

describe("a file of another user", ROOT_ONLY, () => {
  const refused = `73 it belongs to user ${STRANGER}, in a directory where others may put files`;

  test("is refused with 73 where others may put files", () => {
    folder("own", 0o755, STRANGER);
    file("own/f", STRANGER);
    folder("group", 0o775);
    file("group/f", STRANGER);
    folder("sticky", 0o1777);
    file("sticky/f", STRANGER);
    expect(["own/f", "group/f", "sticky/f"].map((name) => open(at(name)))).toEqual([
      refused,
      refused,
      refused,
    ]);
  });

  test("is written to where nobody but root can have put it", () => {
    folder("safe", 0o755);
    file("safe/f", STRANGER);
    expect(open(at("safe/f"))).toBe(at("safe/f"));
  });

  test("is written to where that user has called sudo, unless it has a second name", () => {
    folder("home", 0o755, STRANGER);
    file("home/f", STRANGER);
    file("home/hard", 0);
    linkSync(at("home/hard"), at("home/other"));
    const bySudo = { invokerId: STRANGER };
    expect([open(at("home/f"), bySudo), open(at("home/new"), bySudo), open(at("home/hard"), bySudo)]).toEqual(
      [
        at("home/f"),
        at("home/new"),
        "73 it has a second name (a hard link), in a directory where others may put files",
      ],
    );
    expect(existsSync(at("home/new"))).toBe(true);
  });
});

describe("what is written to as before", ROOT_ONLY, () => {
  test("is a new file, and one of root's, in a directory of anybody", () => {
    folder("own", 0o755, STRANGER);
    folder("group", 0o775, 0, 4);
    folder("sticky", 0o1777);
    const paths = ["own/f", "group/f", "sticky/f"].map(at);
    expect(paths.map((path) => open(path))).toEqual(paths);
    expect(paths.map((path) => open(path))).toEqual(paths);
  });

  test("is what links of root in safe directories lead to", () => {
    folder("safe", 0o755);
    folder("sticky", 0o1777);
    link("../safe", "private/folder", 0);
    link("../private/folder/./../private/victim", "safe/l", 0);
    link(at("safe/l"), "sticky/l", 0);
    for (const path of ["private/folder/l", "safe/l", "sticky/l", "sticky/../safe/l"]) {
      expect(open(at(path))).toBe(at("private/victim"));
    }
  });

  test("is a descriptor's file under its name in /dev", () => {
    const fd = openSync(at("private/victim"), "r+");
    try {
      expect(open(`/dev/fd/${fd}`)).toBe(at("private/victim"));
    } finally {
      closeSync(fd);
    }
  });
});

describe(
  "a file that is open already, while its user puts another directory in the place of its own",
  ROOT_ONLY,
  () => {
    const DATE = "2026-11-21";

    /** Opens own/victim, whose directory becomes a link to that of private/victim while `call` is made. */
    function swapping(call: "rename" | "unlink") {
      folder("own", 0o755, STRANGER);
      const calls = {
        lock: () => true,
        [call](...paths: [string, string]) {
          renameSync(at("own"), at("away"));
          link(at("private"), "own");
          systemFiles[call](...paths);
        },
      };
      const output = new OutputFile(
        { ...systemFiles, ...calls },
        at("own/victim"),
        { verb: "log", hint: "" },
        [],
      );
      return { output, opened: output.open(true) };
    }

    test("is set aside where it is", () => {
      const { output, opened } = swapping("rename");
      writeFileSync(at("own/victim"), "mine");
      expect(output.setAside(opened, DATE)).toBe(at(`own/victim.${DATE}`));
      closeSync(opened.fd);
      expect([readdirSync(at("away")), readdirSync(at("private"))]).toEqual([[`victim.${DATE}`], ["victim"]]);
      expect(readFileSync(at(`away/victim.${DATE}`), "utf8")).toBe("mine");
    });

    test("is removed where it is", () => {
      const { output, opened } = swapping("unlink");
      output.removeEmpty(opened);
      closeSync(opened.fd);
      expect([readdirSync(at("away")), readdirSync(at("private"))]).toEqual([[], ["victim"]]);
    });

    test("is not looked for behind that link", () => {
      const { output, opened } = swapping("rename");
      renameSync(at("own"), at("away"));
      link(at("private"), "own");
      expect(() => output.setAside(opened, DATE)).toThrow(
        `cannot log to ${at("own/victim")}: the symbolic link ${at("own")} belongs to user ${STRANGER}`,
      );
      closeSync(opened.fd);
      expect([readdirSync(at("away")), readdirSync(at("private"))]).toEqual([["victim"], ["victim"]]);
    });
  },
);

test("links that lead to each other are 73", () => {
  symlinkSync("b", at("a"));
  symlinkSync("a", at("b"));
  expect(open(at("a"))).toBe(`73 cannot create ${at("a")}: too many symbolic links`);
});

test("a name with a slash behind it is a directory's: 73", () => {
  mkdirSync(at("there"));
  expect([open(`${at("there")}/`), open(at("there/..")), open(`${at("missing")}/`)]).toEqual([
    "73 it is a directory",
    "73 it is a directory",
    `73 cannot create ${at("missing")}/: ENOENT: no such file or directory`,
  ]);
  expect(existsSync(at("missing"))).toBe(false);
});
