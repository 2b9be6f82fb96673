/** The lines above the table: totals, and what is missing from them. */
import { formatMillis, formatTimeOfDay } from "../base/format.ts";
import { sanitise } from "../base/sanitise.ts";
import { displayWidth, shorten, truncate } from "../base/width.ts";
import { type Line, LineWriter, textLine } from "../core/cells.ts";
import type { Header } from "../core/figures.ts";
import type { ShownLens } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import { BACKENDS, type Privileges, type StepDown } from "../platform/platform.ts";
import { type PlayStatus, playText } from "./play.ts";
import type { UiState } from "./state.ts";

/** A lens as the page of keys knows it. */
export type HelpedLens = Pick<ShownLens, "id" | "views" | "help" | "switches">;

/** What stays the same while tcptop runs. */
export interface SessionInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  /** From outside. */
  readonly stepDowns: readonly StepDown[];
  /** Those that are on. */
  readonly lenses: readonly HelpedLens[];
  /** What a lens knows of its capture, by its id. */
  readonly facts: ReadonlyMap<string, object>;
  /** Absent or null: not known. */
  readonly privileges?: Privileges | null;
  /** CLOCK_MONOTONIC. */
  readonly startedNs: number;
  /** What is shown is a recording. */
  readonly isReplay: boolean;
}

export interface HeaderFacts {
  readonly info: SessionInfo;
  /** What is shown. */
  readonly refresh: Refresh;
  readonly state: UiState;
  /** What is missing, in words, of each lens; empty: nothing. */
  readonly losses: readonly string[];
  readonly isRecorded: boolean;
  /** What is wrong with the log, from outside; empty: nothing. */
  readonly logWarning: string;
  /** A fault of the feed, in words; empty: none. From outside. */
  readonly notice: string;
  /** null: what is shown is no recording. */
  readonly play: PlayStatus | null;
}

/** Whether a step-down is about another backend than the one in use; if not, about a limit of the one in use. */
export function isRefusal(stepDown: StepDown, info: SessionInfo): boolean {
  return stepDown.backend !== info.backend && BACKENDS.some((name) => name === stepDown.backend);
}

/**
 * What the backend in use cannot do, from the full reasons to names. A backend that was passed over costs the user
 * nothing; the page of keys has these as well.
 */
function limitNotes(info: SessionInfo): string[] {
  const limits = info.stepDowns.filter((one) => !isRefusal(one, info));
  if (limits.length === 0) return [];
  const reasons = limits.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ");
  const names = `limits: ${[...new Set(limits.map(({ backend }) => backend))].join(", ")}`;
  return [reasons, `${names}, ? says why`, names].map((text) => ` (${sanitise(text)})`);
}

function replayLine({ info, refresh }: HeaderFacts, play: PlayStatus, columns: number): Line {
  const place = `${playText(play)} `;
  const line = new LineWriter(columns);
  const time = ` · ${formatTimeOfDay(refresh.at.wallMs)}`;
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

function titlesOf({ info, refresh, state, isRecorded }: HeaderFacts): Title[] {
  const { wallMs, nowNs } = refresh.at;
  const time = ` · ${formatTimeOfDay(wallMs)}`;
  const left = `${time} · ${sanitise(info.backend)}`;
  const upMs = Math.max(0, Math.round((nowNs - info.startedNs) / 1e6));
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
  const note = limitNotes(info).find((text) => displayWidth(text) <= room);
  if (note !== undefined) line.add(note, "quiet");
  const kernel = ` · Linux ${sanitise(info.kernel)}`;
  if (displayWidth(kernel) + right + 1 < line.left) line.add(kernel);
  return line
    .to(columns - right)
    .add(mark, "strong")
    .add(pace, "quiet")
    .done();
}

/**
 * Header lines for so many columns. One more line each: for the machine when a filter is on, for losses, for a fault
 * of the log and for a fault of the feed.
 */
export function headerLines(facts: HeaderFacts, figures: Header, columns: number): Line[] {
  const { losses, logWarning, notice, state } = facts;
  const lines = [titleLine(facts, columns), ...figures.lines(state.style, columns)];
  // Losses stand in the order of weight. Of a message from the system the end matters as well.
  const warnings = [
    ...losses.map((text) => truncate(text, columns - 1)),
    shorten(logWarning && `log: ${sanitise(logWarning)}`, columns - 1),
    shorten(sanitise(notice), columns - 1),
  ];
  for (const warning of warnings.filter((text) => text !== "")) {
    lines.push(textLine(` ${warning}`, columns, "warn"));
  }
  return lines;
}
