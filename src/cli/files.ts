/** The real file system, as a log needs it. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Files } from "../output/log-file.ts";

export const systemFiles: Omit<Files, "lock"> = {
  open: (path, flags, mode) => openSync(path, flags, mode),
  facts: (fd) => fstatSync(fd),
  factsAt: (path) => statSync(path),
  linkFactsAt: (path) => lstatSync(path),
  realPath: (path) => realpathSync(path),
  read: (fd, to, position) => readSync(fd, to, 0, to.length, position),
  write: (fd, bytes, from) => writeSync(fd, bytes, from),
  truncate: (fd, bytes) => ftruncateSync(fd, bytes),
  unlink: (path) => unlinkSync(path),
  close: (fd) => closeSync(fd),
  userId: process.geteuid?.() ?? null,
};
