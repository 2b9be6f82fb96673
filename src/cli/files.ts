/** The real file system, as it is written to. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { FileInUse, Files } from "../base/output-file.ts";

/** Linux's O_PATH, which Node has no name for: enough for a directory that may be passed but not read. */
const O_PATH = 0o10000000;

/** null where an open directory has no path of its own. */
const FOLDER_FLAGS = existsSync("/proc/self/fd")
  ? O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW
  : null;

function invoker(id: string | undefined): number | null {
  return id !== undefined && /^[0-9]{1,10}$/.test(id) ? Number(id) : null;
}

export const systemFiles: Omit<Files, "lock" | "keeper"> = {
  open: (path, flags, mode) => openSync(path, flags, mode),
  facts: (fd) => fstatSync(fd),
  factsAt: (path) => statSync(path),
  linkFactsAt: (path) => lstatSync(path),
  linkTarget: (path) => readlinkSync(path),
  openFolder: (path) => (FOLDER_FLAGS === null ? null : openSync(path, FOLDER_FLAGS)),
  workingFolder: () => process.cwd(),
  read: (fd, to, position) => readSync(fd, to, 0, to.length, position),
  write: (fd, bytes, from) => writeSync(fd, bytes, from),
  truncate: (fd, bytes) => ftruncateSync(fd, bytes),
  rename: (from, to) => renameSync(from, to),
  unlink: (path) => unlinkSync(path),
  close: (fd) => closeSync(fd),
  userId: process.geteuid?.() ?? null,
  invokerId: process.geteuid?.() === 0 ? invoker(process.env["SUDO_UID"]) : null,
};

/** Where standard output and standard error go, as far as those are files. */
export function standardFiles(): FileInUse[] {
  return [
    { fd: 1, name: "standard output" },
    { fd: 2, name: "standard error" },
  ].flatMap(({ fd, name }) => {
    const facts = fstatSync(fd);
    return facts.isFile() ? [{ name, dev: facts.dev, ino: facts.ino }] : [];
  });
}
