/** The lines above the table: totals, and what is missing from them. */

import { formatBytes, formatMillis, formatRate, formatTimeOfDay } from "../base/format.ts";
import { sanitise } from "../base/sanitise.ts";
import { displayWidth, padStart, shorten, truncate } from "../base/width.ts";
import { heatOf } from "../core/tone.ts";
import type { TableSizes } from "../lenses/flows/bounds.ts";
import type { TcpState } from "../lenses/flows/connection.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import { BACKENDS, type StepDown } from "../platform/platform.ts";
import { type Line, LineWriter, textLine } from "./cells.ts";
import { PAST_LENGTH, type Tallies, type Tally } from "./figures.ts";
import { barGraph } from "./graph.ts";
import { type PlayStatus, playText } from "./play.ts";
import type { UiState } from "./state.ts";

/** What stays the same while tcptop runs. */
export interface SessionInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  /** From outside. */
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
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
  readonly tallies: Tallies;
  readonly state: UiState;
  /** What is missing, in words; empty: nothing. */
  readonly losses: string;
  readonly isRecorded: boolean;
  /** What is wrong with the log, from outside; empty: nothing. */
  readonly logWarning: string;
  /** A fault of the feed, in words; empty: none. From outside. */
  readonly notice: string;
  /** null: what is shown is no recording. */
  readonly play: PlayStatus | null;
}

/** Words for groups of states, in the order in which they are shown. */
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

function countStates({ counts }: Tally, words: StateWords): string[] {
  return words.flatMap(([word, states]) => {
    const count = states.reduce((sum, state) => sum + (counts.byState.get(state) ?? 0), 0);
    return count === 0 ? [] : [`${count} ${word}`];
  });
}

/** Whether a step-down is about another backend than the one in use; if not, about a limit of the one in use. */
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
  const time = ` · ${formatTimeOfDay(wallMs)}`;
  line.add(" tcptop", "strong");
  if (displayWidth(time) + displayWidth(place) < line.left) line.add(time);
  const backend = ` · ${sanitise(info.backend)} · Linux ${sanitise(info.kernel)}`;
  const room = line.left - displayWidth(place) - 10;
  const name = shorten(sanitise(play.name), Math.max(8, room));
  if (displayWidth(backend) <= room - displayWidth(name)) line.add(backend, "quiet");
  const titles = room >= 8 ? [`replay ${name} `] : ["replay ", ""];
  const title = titles.find((text) => displayWidth(text) + displayWidth(place) < line.left) ?? "";
  return line
    .add(" ")
    .to(columns - displayWidth(title) - displayWidth(place))
    .add(title, "strong")
    .add(place, play.mode === "playing" ? "plain" : "warn")
    .done();
}

/** The left and right parts of the title. Parts without room are left out, "recording" last. */
type Title = readonly [left: string, mark: string, pace: string];

function titlesOf({ info, snapshot, wallMs, state, isRecorded }: HeaderFacts): Title[] {
  const time = ` · ${formatTimeOfDay(wallMs)}`;
  const left = `${time} · ${sanitise(info.backend)}`;
  const upMs = Math.max(0, Math.round((snapshot.timeNs - info.startedNs) / 1e6));
  const every = `every ${state.delayS} s`;
  const pace = `${every}  up ${formatMillis(upMs)} `;
  if (!isRecorded) {
    return [
      [left, "", pace],
      [left, "", `${every} `],
      [left, "", ""],
      [time, "", ""],
    ];
  }
  return [
    [left, "recording  ", pace],
    [left, "rec  ", pace],
    [left, "recording ", ""],
    [left, "rec ", ""],
    [time, "recording ", ""],
    [time, "rec ", ""],
    ["", "rec ", ""],
  ];
}

function titleLine(facts: HeaderFacts, columns: number): Line {
  const { info, play } = facts;
  if (play !== null) return replayLine(facts, play, columns);
  const line = new LineWriter(columns).add(" tcptop", "strong");
  const titles = titlesOf(facts);
  const [left, mark, pace] = titles.find((title) => displayWidth(title.join("")) + 1 < line.left) ??
    titles.at(-1) ?? ["", "", ""];
  line.add(left);
  const right = displayWidth(mark) + displayWidth(pace);
  const room = line.left - right - 2;
  const note = stepDownNotes(info).find((text) => displayWidth(text) <= room);
  if (note !== undefined) line.add(note, "quiet");
  const kernel = ` · Linux ${sanitise(info.kernel)}`;
  if (displayWidth(kernel) + right + 1 < line.left) line.add(kernel);
  return line
    .to(columns - right)
    .add(mark, "strong")
    .add(pace, "quiet")
    .done();
}

const RATE_CELLS = 10;
const TOTAL_CELLS = { human: 9, raw: 16 } as const;

interface Direction {
  readonly name: "in" | "out";
  readonly rate: number;
  readonly total: number;
  readonly past: readonly number[];
}

/** The graph's scale is that of the bars it has, and the peak is the highest of them. */
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
  const peak = direction.past.slice(-graphCells).reduce((a, b) => Math.max(a, b), 0);
  if (columns >= 80) line.add(`  peak ${padStart(formatRate(peak), RATE_CELLS)}`, "quiet");
  if (columns >= 70) line.add(`  ${padStart(formatBytes(direction.total, style), TOTAL_CELLS[style])}`);
  line.add("   ");
  counts.forEach((count, i) => {
    line.addWhole(i === 0 ? count : `  ${count}`, i === 0 ? "strong" : "plain");
  });
  return line.done();
}

/** The sums of the machine beside those of the filter, with totals where there is room for them. */
function machineLine({ totals, counts }: Tally, { style }: UiState, columns: number): Line {
  const { rateIn, rateOut, bytesIn, bytesOut } = totals;
  const [ratesIn, ratesOut] = [formatRate(rateIn, style), formatRate(rateOut, style)];
  const [allIn, allOut] = [formatBytes(bytesIn, style), formatBytes(bytesOut, style)];
  const texts = [
    ` machine: in ${ratesIn}, ${allIn}  out ${ratesOut}, ${allOut}`,
    ` machine: in ${ratesIn}  out ${ratesOut}`,
  ];
  const shortest = ` machine ${ratesIn} / ${ratesOut}`;
  return new LineWriter(columns)
    .add(texts.find((text) => displayWidth(text) <= columns) ?? shortest, "quiet")
    .addWhole(`   TCP ${counts.tcp}`, "quiet")
    .addWhole(`  UDP ${counts.udp}`, "quiet")
    .done();
}

function directionLines(facts: HeaderFacts, columns: number): Line[] {
  const { totals, counts, fresh, pastIn, pastOut } = facts.tallies.shown;
  const graphCells = Math.min(Math.max(columns - 96, columns >= 80 ? 12 : 16), PAST_LENGTH);
  const tcp = [`TCP ${counts.tcp}`, ...countStates(facts.tallies.shown, CONNECTED)];
  const udp = [
    `UDP ${counts.udp}`,
    ...countStates(facts.tallies.shown, WAITING),
    ...(fresh > 0 ? [`${fresh} new`] : []),
  ];
  const directions: readonly (readonly [Direction, readonly string[]])[] = [
    [{ name: "in", rate: totals.rateIn, total: totals.bytesIn, past: pastIn }, tcp],
    [{ name: "out", rate: totals.rateOut, total: totals.bytesOut, past: pastOut }, udp],
  ];
  return directions.map(([direction, texts]) => directionLine(direction, texts, graphCells, facts, columns));
}

/**
 * Header lines for so many columns. One more line each: for the machine when a filter is on, for losses, for a fault
 * of the log and for a fault of the feed.
 */
export function headerLines(facts: HeaderFacts, columns: number): Line[] {
  const { tallies, losses, logWarning, notice } = facts;
  const lines = [titleLine(facts, columns), ...directionLines(facts, columns)];
  if (tallies.machine !== null) lines.push(machineLine(tallies.machine, facts.state, columns));
  // Losses stand in the order of weight. Of a message from the system the end matters as well.
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
