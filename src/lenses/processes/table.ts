/** The table of processes, for the stream and the log: what they run, and how they end. */
import { formatBytes, formatMillis, formatTimeOfDay, type NumberStyle } from "../../base/format.ts";
import { sanitise } from "../../base/sanitise.ts";
import type { Refresh } from "../../core/refresh.ts";
import { sortByColumn } from "../../core/sort.ts";
import {
  momentOf,
  type Table,
  type TableEvent,
  type TableOrder,
  type TextForm,
  type TextLine,
} from "../../core/table.ts";
import { commandLine, errorName, FILE_FIELDS, PROCESS_FIELDS } from "./columns.ts";
import type { Process, ProcessEvent, ProcessEventName } from "./process.ts";
import { PROCESSES } from "./snapshot.ts";

/** What is told of processes. */
export interface TableWishes {
  readonly forks: boolean;
  /** Only processes of the tree that is watched. */
  readonly onlyTree: boolean;
}

const NS_PER_MS = 1e6;

function nameText({ name, pid }: Process): string {
  return `${sanitise(name)}[${pid}]`;
}

function runText({ arguments: words, executable, areArgumentsCut }: Process): string {
  if (words !== null) return sanitise(commandLine(words)) + (areArgumentsCut ? " …" : "");
  return executable === null ? "" : sanitise(executable);
}

function endText(
  { exitCode, exitSignal, durationNs, cpuNs, mostMemoryBytes }: Process,
  style: NumberStyle,
): string {
  const how =
    exitSignal !== null
      ? `signal ${exitSignal}`
      : exitCode !== null
        ? `code ${exitCode}`
        : "how is not known";
  const millis = (ns: number) => formatMillis(Math.round(ns / NS_PER_MS), style);
  return [
    how,
    ...(durationNs === null ? [] : [`after ${millis(durationNs)}`]),
    ...(cpuNs === null ? [] : [`${millis(cpuNs)} of CPU`]),
    ...(mostMemoryBytes === null ? [] : [formatBytes(mostMemoryBytes, style)]),
  ].join(", ");
}

function textOf({ event, process, file }: ProcessEvent, style: NumberStyle): string {
  switch (event) {
    case "file":
      return file === null ? "" : sanitise(file.path) + (errorName(file.result) ?? "").replace(/^(?=.)/, " ");
    case "exec":
      return `parent ${process.ppid}: ${runText(process)}`;
    case "fork":
      return `parent ${process.ppid}`;
    default:
      return endText(process, style);
  }
}

const TONES: Readonly<Record<ProcessEventName, TextLine["tone"]>> = {
  exec: "new",
  fork: "new",
  exit: "over",
  file: "plain",
};

/** Events of some names, in the order of their happening or in that which the user asked for. */
export function eventsOf(
  names: ReadonlySet<ProcessEventName>,
  onlyTree: boolean,
  columns: Table<ProcessEvent>["columns"],
  { key, reverse }: TableOrder,
) {
  const column = columns.find((one) => one.key === key) ?? null;
  return {
    of(refresh: Refresh): TableEvent<ProcessEvent>[] {
      const { events, timeNs } = PROCESSES.of(refresh);
      const told = events.filter(({ event, process }) => names.has(event) && (!onlyTree || process.isOfTree));
      const sorted = column === null ? told : sortByColumn(told, { column, reverse }, timeNs);
      return sorted.map((row) => ({ event: row.event, row, timeNs: row.timeNs }));
    },
    unlisted: () => [],
  };
}

function textForm(style: NumberStyle): TextForm<ProcessEvent> {
  return {
    line(item, at) {
      const { row } = item;
      const { event, process } = row;
      return {
        text: `${formatTimeOfDay(momentOf(item, at).wallMs)} ${event} ${nameText(process)} ${textOf(row, style)}`,
        tone: TONES[event],
      };
    },
  };
}

export function processTable({ forks, onlyTree }: TableWishes): Table<ProcessEvent> {
  const names = new Set<ProcessEventName>(forks ? ["fork", "exec", "exit"] : ["exec", "exit"]);
  return {
    id: "processes",
    version: 1,
    columns: PROCESS_FIELDS,
    events: { fork: "stands", exec: "stands", exit: "stands" },
    key: ({ number }) => number,
    source: (order) => eventsOf(names, onlyTree, PROCESS_FIELDS, order),
    textForm,
  };
}

/** The table of the files that processes open. The kernel side tells only those of the tree that is watched. */
export function fileTable(): Table<ProcessEvent> {
  return {
    id: "files",
    version: 1,
    columns: FILE_FIELDS,
    events: { file: "stands" },
    key: ({ number }) => number,
    source: (order) => eventsOf(new Set(["file"]), false, FILE_FIELDS, order),
    textForm,
  };
}
