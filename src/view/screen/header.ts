/** The lines above the table: what everything together does, and how well it is seen. */
import type { TcpState } from "../../model/connection.ts";
import type { Snapshot } from "../../model/snapshot.ts";
import { BACKENDS, type StepDown } from "../../platform/platform.ts";
import { formatBytes, formatMillis, formatRate, formatTimeOfDay } from "../format.ts";
import { sanitise } from "../sanitise.ts";
import { displayWidth, padStart } from "../width.ts";
import { type Line, LineWriter, shorten, textLine, truncate } from "./cells.ts";
import { barGraph } from "./graph.ts";
import type { History } from "./history.ts";
import { type PlayStatus, playText } from "./play.ts";
import type { UiState } from "./state.ts";
import { heatOf, isNew } from "./table.ts";

/** What stays the same while tcptop runs. */
export interface SessionInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  /** From outside. */
  readonly stepDowns: readonly StepDown[];
  /** CLOCK_MONOTONIC. */
  readonly startedNs: number;
  /** What is shown is a recording. */
  readonly isReplay: boolean;
}

export interface HeaderFacts {
  readonly info: SessionInfo;
  readonly snapshot: Snapshot;
  /** Milliseconds since 1970 at the snapshot. */
  readonly wallMs: number;
  readonly history: History;
  readonly state: UiState;
  /** What is missing, in words; empty: nothing. */
  readonly losses: string;
  readonly isRecorded: boolean;
  /** What is wrong with the log, from outside; empty: nothing. */
  readonly logWarning: string;
  /** What else went wrong, in words; empty: nothing. From outside. */
  readonly notice: string;
  /** null: what is shown is no recording. */
  readonly play: PlayStatus | null;
}

/** People's words for groups of states, in the order they are told. */
const CONNECTED: StateWords = [
  ["established", ["ESTABLISHED"]],
  ["opening", ["SYN_SENT", "SYN_RECV", "NEW_SYN_RECV"]],
  ["closing", ["FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK", "CLOSING"]],
];
const WAITING: StateWords = [
  ["listening", ["LISTEN"]],
  ["in TIME_WAIT", ["TIME_WAIT"]],
];
type StateWords = readonly (readonly [word: string, states: readonly TcpState[]])[];

function countStates({ counts }: Snapshot, words: StateWords): string[] {
  return words.flatMap(([word, states]) => {
    const count = states.reduce((sum, state) => sum + (counts.byState.get(state) ?? 0), 0);
    return count === 0 ? [] : [`${count} ${word}`];
  });
}

/** Whether a step-down tells of another backend than the one in use; else of what that one cannot do here. */
export function isRefusal(stepDown: StepDown, info: SessionInfo): boolean {
  return stepDown.backend !== info.backend && BACKENDS.some((name) => name === stepDown.backend);
}

/** Why there is no better backend, from the full reasons to none; the page of keys has them in full. */
function stepDownNotes(info: SessionInfo): string[] {
  const { stepDowns } = info;
  if (stepDowns.length === 0) return [];
  const namesOf = (some: readonly StepDown[]) => some.map(({ backend }) => backend).join(", ");
  const reasons = stepDowns.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ");
  const refused = namesOf(stepDowns.filter((one) => isRefusal(one, info)));
  const limited = namesOf(stepDowns.filter((one) => !isRefusal(one, info)));
  const names = [refused && `not ${refused}`, limited && `limits: ${limited}`].filter(Boolean).join("; ");
  return [reasons, `${names}, ? says why`, names].map((text) => ` (${sanitise(text)})`);
}

function replayLine({ info, wallMs }: HeaderFacts, play: PlayStatus, columns: number): Line {
  const place = `${playText(play)} `;
  const line = new LineWriter(columns);
  line.add(" tcptop", "strong").addWhole(` · ${formatTimeOfDay(wallMs)}`);
  const backend = ` · ${sanitise(info.backend)} · Linux ${sanitise(info.kernel)}`;
  const room = line.left - displayWidth(place) - 10;
  const name = shorten(sanitise(play.name), Math.max(8, room));
  if (displayWidth(backend) <= room - displayWidth(name)) line.add(backend, "quiet");
  const isNamed = room >= 8;
  const title = isNamed ? `replay ${name} ` : "replay ";
  return line
    .to(columns - displayWidth(title) - displayWidth(place))
    .add(title, "strong")
    .add(place, play.mode === "playing" ? "plain" : "warn")
    .done();
}

/** That it is recorded, and the pace where there is room for both in so many columns. */
function recordingMarks(isRecorded: boolean, pace: string, columns: number): readonly [string, string] {
  if (!isRecorded) return ["", pace];
  const marks = ["recording  ", "rec  "];
  const mark = marks.find((text) => displayWidth(text) + displayWidth(pace) < columns);
  return mark === undefined ? ["recording ", ""] : [mark, pace];
}

function titleLine(facts: HeaderFacts, columns: number): Line {
  const { info, snapshot, wallMs, state, play, isRecorded } = facts;
  if (play !== null) return replayLine(facts, play, columns);
  const every = `every ${state.delayS} s  up ${formatMillis(Math.max(0, Math.round((snapshot.timeNs - info.startedNs) / 1e6)))} `;
  const line = new LineWriter(columns);
  line.add(" tcptop", "strong").add(` · ${formatTimeOfDay(wallMs)} · ${sanitise(info.backend)}`);
  const [recording, pace] = recordingMarks(isRecorded, every, line.left);
  const right = displayWidth(recording) + displayWidth(pace);
  const room = line.left - right - 2;
  const note = stepDownNotes(info).find((text) => displayWidth(text) <= room);
  if (note !== undefined) line.add(note, "quiet");
  const kernel = ` · Linux ${sanitise(info.kernel)}`;
  if (displayWidth(kernel) + right + 1 < line.left) line.add(kernel);
  return line
    .to(columns - right)
    .add(recording, "strong")
    .add(pace, "quiet")
    .done();
}

const RATE_CELLS = 10;
const TOTAL_CELLS = { human: 9, raw: 16 } as const;

interface Direction {
  readonly name: "in" | "out";
  readonly rate: number;
  readonly peak: number;
  readonly total: number;
  readonly past: readonly number[];
}

function directionLine(
  direction: Direction,
  counts: readonly string[],
  graphCells: number,
  facts: HeaderFacts,
  columns: number,
): Line {
  const { style } = facts.state;
  const line = new LineWriter(columns);
  const rate = padStart(formatRate(direction.rate, style), style === "raw" ? 15 : RATE_CELLS);
  line
    .add(` ${direction.name.padEnd(3)} `, "strong")
    .add(rate, heatOf(direction.rate))
    .add(" ");
  line.add(barGraph(direction.past, graphCells, 1).join(""), "heat1");
  if (columns >= 80) line.add(`  peak ${padStart(formatRate(direction.peak), RATE_CELLS)}`, "quiet");
  if (columns >= 70) line.add(`  ${padStart(formatBytes(direction.total, style), TOTAL_CELLS[style])}`);
  line.add("   ");
  counts.forEach((count, i) => {
    line.addWhole(i === 0 ? count : `  ${count}`, i === 0 ? "strong" : "plain");
  });
  return line.done();
}

/** Header lines for so many columns; one more for what could not be counted, logged, and for what else went wrong. */
export function headerLines(facts: HeaderFacts, columns: number): Line[] {
  const { snapshot, history, losses, logWarning, notice } = facts;
  const { totals, counts } = snapshot;
  const graphCells = Math.min(Math.max(columns - 96, columns >= 80 ? 12 : 16), 60);
  const tcp = [`TCP ${counts.tcp}`, ...countStates(snapshot, CONNECTED)];
  const fresh = snapshot.opened.filter(isNew).length;
  const udp = [
    `UDP ${counts.udp}`,
    ...countStates(snapshot, WAITING),
    ...(fresh > 0 ? [`${fresh} new`] : []),
  ];
  const lines = [
    titleLine(facts, columns),
    directionLine(
      {
        name: "in",
        rate: totals.rateIn,
        peak: history.peakIn,
        total: totals.bytesIn,
        past: history.totalsIn,
      },
      tcp,
      graphCells,
      facts,
      columns,
    ),
    directionLine(
      {
        name: "out",
        rate: totals.rateOut,
        peak: history.peakOut,
        total: totals.bytesOut,
        past: history.totalsOut,
      },
      udp,
      graphCells,
      facts,
      columns,
    ),
  ];
  // A loss is told in the order of weight; of a message from the system the end matters as well.
  const warnings = [
    truncate(losses, columns - 1),
    shorten(logWarning && `log: ${sanitise(logWarning)}`, columns - 1),
    shorten(sanitise(notice), columns - 1),
  ];
  for (const warning of warnings.filter((text) => text !== "")) {
    lines.push(textLine(` ${warning}`, columns, "warn"));
  }
  return lines;
}
