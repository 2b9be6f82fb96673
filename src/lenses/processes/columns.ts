/** The registries of columns: what the events of processes and of files show, in every output. */
import { constants } from "node:os";
import { sanitise } from "../../base/sanitise.ts";
import type { Cell, CellKind, Column } from "../../core/column.ts";
import type { Ancestry, OpenedFile, Process, ProcessEvent } from "./process.ts";

function column(
  key: string,
  title: string,
  kind: CellKind,
  read: (process: Process) => Cell | undefined,
): Column<ProcessEvent> {
  return { key, title, kind, value: ({ process }) => read(process) ?? null };
}

const NS_PER_MS = 1e6;

function millis(ns: number | null): number | null {
  return ns === null ? null : Math.max(0, Math.round(ns / NS_PER_MS));
}

function text(value: string | null): string | null {
  return value === null ? null : sanitise(value);
}

/** One text, as a shell would take it apart again: words with spaces or quotes stand in quotes. */
export function commandLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

/** `systemd → sshd → bash`. */
export function ancestryText(ancestry: Ancestry): string {
  return ancestry.map(({ name }) => sanitise(name)).join(" → ");
}

const IDENTITY = [
  column("pid", "PID", "id", (p) => p.pid),
  column("process_start", "Process start", "id", (p) => p.startNs),
  column("process", "Process", "text", (p) => text(p.name)),
] as const;

/** The columns for programs, in the order of the contract; new ones are added at the right. */
export const PROCESS_FIELDS: readonly Column<ProcessEvent>[] = [
  ...IDENTITY,
  column("ppid", "PPID", "id", (p) => p.ppid),
  column("parent_start_time", "Parent start", "id", (p) => p.parentStartNs),
  column("executable", "Executable", "text", (p) => text(p.executable)),
  column("arguments", "Arguments", "text", (p) => p.arguments && sanitise(commandLine(p.arguments))),
  column("arguments_cut", "Arguments cut", "flag", (p) => (p.arguments === null ? null : p.areArgumentsCut)),
  column("cwd", "Directory", "text", (p) => text(p.directory)),
  column("uid", "UID", "id", (p) => p.uid),
  // Text: 64 bits do not fit a JSON number of most readers.
  column("cgroup_id", "Cgroup", "text", (p) => p.cgroupId.toString()),
  column("unit", "Unit", "text", (p) => text(p.unit)),
  column("tty", "TTY", "text", (p) => text(p.tty)),
  column("exit_code", "Exit code", "id", (p) => p.exitCode),
  column("exit_signal", "Signal", "id", (p) => p.exitSignal),
  column("duration_ms", "Duration", "millis", (p) => millis(p.durationNs)),
  column("cpu_ms", "CPU time", "millis", (p) => millis(p.cpuNs)),
  column("max_rss", "Memory at most", "bytes", (p) => p.mostMemoryBytes),
  {
    key: "ancestry",
    title: "Started by",
    kind: "text",
    value: ({ ancestry }) => ancestryText(ancestry.slice(0, -1)) || null,
  },
];

function fileColumn(
  key: string,
  title: string,
  kind: CellKind,
  read: (file: OpenedFile) => Cell,
): Column<ProcessEvent> {
  return { key, title, kind, value: ({ file }) => file && read(file) };
}

/** Bits of the flags of open(2) that are the same on all architectures, and their names. */
const OPEN_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0o100, "creat"],
  [0o200, "excl"],
  [0o1000, "trunc"],
  [0o2000, "append"],
];
const ACCESS = ["rdonly", "wronly", "rdwr"] as const;

/** `wronly,creat,trunc`; what has no name here is left out. */
function flagNames(flags: number): string {
  const names = OPEN_FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return [ACCESS[flags & 3] ?? "none", ...names].join(",");
}

const ERRORS = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** `ENOENT` of a negative result; null: the file was opened. */
export function errorName(result: number): string | null {
  return result >= 0 ? null : (ERRORS.get(-result) ?? `errno ${-result}`);
}

export const FILE_FIELDS: readonly Column<ProcessEvent>[] = [
  ...IDENTITY,
  fileColumn("path", "Path", "text", ({ path }) => sanitise(path)),
  fileColumn("path_cut", "Path cut", "flag", ({ isPathCut }) => isPathCut),
  fileColumn("flags", "Flags", "text", ({ flags }) => flagNames(flags)),
  fileColumn("error", "Error", "text", ({ result }) => errorName(result)),
];
