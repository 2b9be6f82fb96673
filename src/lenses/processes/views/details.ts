/** The details of a row of the process tree. */
import { formatBytes, formatMillis, UNKNOWN } from "../../../base/format.ts";
import { sanitise } from "../../../base/sanitise.ts";
import { padEnd, shorten } from "../../../base/width.ts";
import { type Line, LineWriter, type Size, textLine } from "../../../core/cells.ts";
import type { DetailFacts } from "../../../core/view.ts";
import type { Series } from "../../flows/history.ts";
import { detailLines as connectionLines } from "../../flows/views/details.ts";
import { ancestryText, commandLine } from "../columns.ts";
import type { Process } from "../process.ts";
import type { ProcessItem, TreeItem } from "./items.ts";

/** Of a connection; a process has none. */
export type TreePast = Series | null;

const LABEL_CELLS = 13;

const NS_PER_MS = 1e6;

function stateText(
  { phase, exitCode, exitSignal, durationNs, beganNs }: Process,
  nowNs: number,
  style: "human" | "raw",
) {
  const millis = (ns: number) => formatMillis(Math.max(0, Math.round(ns / NS_PER_MS)), style);
  if (phase.kind !== "ended") return `runs for ${millis(nowNs - beganNs)}`;
  const how =
    exitSignal !== null ? `by signal ${exitSignal}` : exitCode !== null ? `with code ${exitCode}` : "unseen";
  return `ended ${how}${durationNs === null ? "" : ` after ${millis(durationNs)}`}`;
}

function cpuText({ cpuNs, cpuShare }: Process, style: "human" | "raw"): string {
  if (cpuNs === null || cpuShare === null) return UNKNOWN;
  return `${formatMillis(Math.round(cpuNs / NS_PER_MS), style)}, ${(cpuShare * 100).toFixed(1)} % now`;
}

function factsOf({ process, known }: ProcessItem, { nowNs, style }: DetailFacts<TreePast>) {
  const text = (value: string | null) => (value === null ? UNKNOWN : sanitise(value));
  const { arguments: words, areArgumentsCut, cgroup, unit, mostMemoryBytes, memoryBytes } = process;
  const command = words === null ? UNKNOWN : sanitise(commandLine(words)) + (areArgumentsCut ? " …" : "");
  return [
    ["State", stateText(process, nowNs, style)],
    ["Started by", known === null ? UNKNOWN : ancestryText(known.ancestry)],
    ["Parent", String(process.ppid)],
    ["Command", command],
    ["Program", text(process.executable)],
    ["Directory", text(process.directory)],
    ["User", `uid ${process.uid}`],
    ["Terminal", text(process.tty)],
    ["Unit", text(unit)],
    ["Cgroup", text(cgroup)],
    ["CPU", cpuText(process, style)],
    [
      "Memory",
      mostMemoryBytes === null
        ? formatBytes(memoryBytes, style)
        : `${formatBytes(mostMemoryBytes, style)} at most`,
    ],
  ] as const;
}

export function detailsOf(item: TreeItem, facts: DetailFacts<TreePast>, size: Size): readonly Line[] {
  const { columns, rows } = size;
  if (item.kind === "connection") {
    const past = facts.past ?? { rateIn: [], rateOut: [], rttUs: [] };
    return connectionLines(item.connection, { ...facts, past }, size);
  }
  const { name, pid } = item.process;
  return [
    textLine(` ${sanitise(name)}[${pid}]`, columns, "strong"),
    ...factsOf(item, facts).map(([label, text]) => {
      const line = new LineWriter(columns).add(` ${padEnd(label, LABEL_CELLS)}`, "quiet");
      return line.add(shorten(text, line.left - 1)).done();
    }),
  ].slice(0, rows);
}
