/** The command line and control group of a process, from /proc. */
import { type ProcWorld, readHead } from "../../base/proc-world.ts";
import { beganAt } from "../../base/process-start.ts";
import type { ProcessFacts, ProcessId } from "../../core/process.ts";

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

/** null if that process has ended, or its start is not known. Kernel threads have no command line. */
export function readProcessFacts(world: ProcWorld, { pid, startNs }: ProcessId): ProcessFacts | null {
  if (startNs === null) return null;
  const facts = readFacts(world, pid);
  // Checked last: from its start on, the number was this process's.
  return beganAt(world, pid, startNs) ? facts : null;
}

function readFacts(world: ProcWorld, pid: number): ProcessFacts | null {
  const command = readHead(world, `${pid}/cmdline`);
  if (command === null) return null;
  const commandLine = command.toString().replace(/\0+$/, "").replaceAll("\0", " ");
  return {
    commandLine: commandLine === "" ? null : commandLine,
    cgroup: cgroupPath(readHead(world, `${pid}/cgroup`)?.toString() ?? ""),
  };
}
