/** The screen as plain styled cells, from what there is to show and what the user wants to see of it. */
import { displayWidth, truncate } from "../base/width.ts";
import { type Frame, type Line, LineWriter, type Size, textLine } from "../core/cells.ts";
import type { Header } from "../core/figures.ts";
import type { DescribeProcess, Words } from "../core/view.ts";
import { type HeaderFacts, headerLines } from "./header.ts";
import { helpLines } from "./help.ts";
import { type Layout, layOut, visibleEntries } from "./layout.ts";
import type { Listing } from "./listing.ts";
import { detailPanel } from "./panel.ts";
import { orderOf, type UiState, viewOf } from "./state.ts";
import { arrow, entryLine, headingLine } from "./table.ts";
import { visiblePart } from "./typed.ts";

export interface Scene extends HeaderFacts {
  readonly listing: Listing;
  readonly describe: DescribeProcess;
  readonly header: Header;
  /** The last refreshes of an item of the view. */
  readonly pastOf: (item: object) => unknown;
  /** The filter of the command line, as options; empty: everything. Sanitised. */
  readonly filterOptions: string;
}

export interface Picture {
  readonly frame: Frame;
  readonly layout: Layout;
}

function counted(count: number, [one, many]: Words): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** PAUSED and the sort order beside a filter. */
const STATE_FLAG_CELLS = 26;

const HINTS = ["q quit", "? help", "/ filter", "v view", "Enter details", "Space pause"] as const;

/** What the key of a sort order is called. */
function orderTitle(state: UiState, layout: Layout): string {
  const order = orderOf(state);
  const column = layout.placed.find(({ column }) => column.sortKey === order.key)?.column;
  const title = column?.title ?? (viewOf(state).sortColumn(order.key)?.title ?? order.key).toUpperCase();
  return `sort ${title}${arrow(state)}`;
}

/** How much of what there is is shown. */
function countText({ passing, items }: Listing, state: UiState): string {
  const all = counted(items.length, viewOf(state).itemWords);
  return passing.length === items.length ? all : `${passing.length} of ${all}`;
}

/** How many groups are shown, before the items; empty where there are none. */
function groupText({ list }: Listing, state: UiState): string {
  const words = viewOf(state).groupWords;
  return words === null ? "" : `${counted(list.groups, words)}, `;
}

/** The filters in force: those of the command line, then the words that were typed. */
function filterText({ filterOptions, state }: Scene): string {
  return [filterOptions, state.filter === "" ? "" : `"${state.filter}"`].filter(Boolean).join(" ");
}

const TYPING = " filter: ";

/** Where the filter is longer than the line, the part around the cursor. */
function visibleFilter({ filter, cursor }: UiState, columns: number) {
  return visiblePart({ text: filter, cursor }, Math.max(1, columns - TYPING.length));
}

function statusLine(scene: Scene, layout: Layout, columns: number): Line {
  const { listing, state, filterOptions, header } = scene;
  const line = new LineWriter(columns);
  if (state.isTyping) {
    return line
      .add(TYPING)
      .add(visibleFilter(state, columns).text)
      .to(Math.max(40, displayWidth(TYPING + state.filter) + 3))
      .addWhole(countText(listing, state))
      .addWhole(header.remark)
      .addWhole(filterOptions && `: ${filterOptions}`)
      .addWhole("   Enter keep  Esc clear")
      .done(true);
  }
  line.add(` ${groupText(listing, state)}${countText(listing, state)}`).addWhole(header.remark);
  const filters = filterText(scene);
  // At least the beginning of a long one, and room for what else is not as usual.
  if (filters !== "") line.add(truncate(`: ${filters}`, Math.max(20, line.left - STATE_FLAG_CELLS)));
  const flags = [
    state.paused === null ? "" : "PAUSED",
    state.frozen === null ? "" : "ORDER FROZEN",
    state.follows ? "FOLLOWING" : "",
  ].filter((flag) => flag !== "");
  for (const flag of flags) line.addWhole(`  ${flag}`);
  line.addWhole(`  ${orderTitle(state, layout)}`);
  const hints: string[] = [];
  let room = line.left - 2;
  for (const hint of HINTS) {
    room -= hint.length + 2;
    if (room < 0) break;
    hints.push(hint);
  }
  const text = hints.join("  ");
  return line
    .to(columns - displayWidth(text) - 1)
    .add(text)
    .done(true);
}

/** In place of rows. */
function emptyText({ filterOptions, state }: Scene): string {
  if (state.filter !== "") return "  nothing matches the filter; Esc clears it";
  const [, items] = viewOf(state).itemWords;
  return filterOptions === "" ? `  no ${items}` : `  no ${items} with ${filterOptions}`;
}

function tableLines(scene: Scene, layout: Layout, columns: number): Line[] {
  const { listing, state, refresh, describe } = scene;
  const view = viewOf(state);
  const scale = { style: state.style, nowNs: refresh.at.nowNs, describe };
  const lines = visibleEntries(listing, layout).map((entry, i) =>
    entryLine(entry, layout.placed, scale, { view, columns, isSelected: layout.top + i === layout.selected }),
  );
  if (lines.length === 0) {
    lines.push(textLine(emptyText(scene), columns, "quiet"));
  }
  while (lines.length < layout.pageRows) lines.push(textLine("", columns));
  return lines;
}

function panelLines(scene: Scene, size: Size): Line[] | null {
  const { state, refresh, pastOf, info, describe, play, listing } = scene;
  const { panel } = state;
  if (panel === null) return null;
  if (panel.kind === "help") return helpLines(info, panel.top, size);
  const { item } = panel;
  const facts = {
    nowNs: refresh.at.nowNs,
    isGone: !listing.items.includes(item),
    past: pastOf(item),
    describe,
  };
  return detailPanel(item, facts, play, state, size);
}

/**
 * Computes a screen of `size`, at least 3 rows; below 60 columns or 10 rows it is cut. Work grows with
 * what is visible.
 */
export function draw(scene: Scene, size: Size): Picture {
  const { columns, rows } = size;
  const header = headerLines(scene, scene.header, columns);
  const layout = layOut(scene.listing, scene.state, size, header.length);
  const lines = panelLines(scene, size) ?? [
    ...header.slice(0, layout.headerRows),
    ...(layout.headingY > layout.headerRows ? [textLine("", columns)] : []),
    headingLine(layout.placed, scene.state, columns),
    ...tableLines(scene, layout, columns),
    statusLine(scene, layout, columns),
  ];
  const cursor =
    scene.state.isTyping && scene.state.panel === null
      ? { x: Math.min(columns - 1, TYPING.length + visibleFilter(scene.state, columns).x), y: rows - 1 }
      : null;
  return { frame: { lines: lines.slice(0, rows), cursor }, layout };
}
