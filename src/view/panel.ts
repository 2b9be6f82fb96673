/** The details of an item, in place of the table. */
import { type Line, LineWriter, type Size, textLine } from "../core/cells.ts";
import type { DetailFacts } from "../core/view.ts";
import { type PlayStatus, playText } from "./play.ts";
import { type UiState, viewOf } from "./state.ts";

/** `play`: null for a capture. */
export function detailPanel(
  item: object,
  facts: Omit<DetailFacts<unknown>, "isReplay" | "style">,
  play: PlayStatus | null,
  state: UiState,
  { columns, rows }: Size,
): Line[] {
  const all = { ...facts, isReplay: play !== null, style: state.style };
  const lines = [...viewOf(state).details(item, all, { columns, rows: rows - 1 })];
  while (lines.length < rows - 1) lines.push(textLine("", columns));
  const status = new LineWriter(columns).add(" Esc back");
  status.addWhole(facts.isGone ? "   gone; shown as it was seen last" : "");
  status.addWhole(state.paused === null ? "" : "   PAUSED");
  status.addWhole(play === null ? "" : `   replay ${playText(play)}`);
  return [...lines, status.done(true)];
}
