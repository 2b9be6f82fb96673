/** The real file system, as it is written to. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { FileInUse, Files } from "../base/output-file.ts";

export const systemFiles: Omit<Files, "lock"> = {
  open: (path, flags, mode) => openSync(path, flags, mode),
  facts: (fd) => fstatSync(fd),
  factsAt: (path) => statSync(path),
  linkFactsAt: (path) => lstatSync(path),
  realPath: (path) => realpathSync(path),
  read: (fd, to, position) => readSync(fd, to, 0, to.length, position),
  write: (fd, bytes, from) => writeSync(fd, bytes, from),
  truncate: (fd, bytes) => ftruncateSync(fd, bytes),
  rename: (from, to) => renameSync(from, to),
  unlink: (path) => unlinkSync(path),
  close: (fd) => closeSync(fd),
  userId: process.geteuid?.() ?? null,
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
