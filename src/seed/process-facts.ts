/** The command line and control group of a process, from /proc. */
import { Buffer } from "node:buffer";
import type { ProcessFacts } from "../model/process.ts";
import { type ProcWorld, readIfPresent } from "./proc-world.ts";

/** More than any screen shows; arguments can be megabytes long. */
const MOST_BYTES = 4096;

/** The beginning of a file, null if it is gone. */
function readHead(world: ProcWorld, path: string): string | null {
  return readIfPresent(() => {
    const chunks: Buffer[] = [];
    let length = 0;
    for (const chunk of world.readChunks(path)) {
      length += chunk.length;
      chunks.push(Buffer.from(chunk));
      if (length >= MOST_BYTES) break;
    }
    return Buffer.concat(chunks).subarray(0, MOST_BYTES).toString();
  });
}

/**
 * Lines are `hierarchy:controllers:path`; the unified hierarchy is 0, and first where there is one
 * (cgroups(7)). Only a newline ends a line: a path may have any other character.
 */
function cgroupPath(text: string): string | null {
  const paths = text.split("\n").flatMap((line) => {
    const [, hierarchy, path] = /^(\d+):[^:]*:(.*)$/s.exec(line) ?? [];
    return path === undefined ? [] : [{ isUnified: hierarchy === "0", path }];
  });
  const told = paths.filter(({ path }) => path !== "/" && path !== "");
  return (told.find(({ isUnified }) => isUnified) ?? told[0] ?? paths[0])?.path ?? null;
}

/** null if there is no such process (any more). Kernel threads have no command line. */
export function readProcessFacts(world: ProcWorld, pid: number): ProcessFacts | null {
  const command = readHead(world, `${pid}/cmdline`);
  if (command === null) return null;
  const commandLine = command.replace(/\0+$/, "").replaceAll("\0", " ");
  return {
    commandLine: commandLine === "" ? null : commandLine,
    cgroup: cgroupPath(readHead(world, `${pid}/cgroup`) ?? ""),
  };
}
