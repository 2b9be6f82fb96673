/** Where things stand on the screen; what is drawn and what a click means both follow it. */
import type { Size } from "../core/cells.ts";
import type { Entry } from "./entries.ts";
import type { Listing } from "./listing.ts";
import type { UiState } from "./state.ts";
import { type PlacedColumn, placeColumns } from "./table.ts";

export interface Layout {
  readonly headerRows: number;
  /** Line of the headings; entries begin below it. */
  readonly headingY: number;
  /** Entries that find room. */
  readonly pageRows: number;
  /** Index of the first entry shown. */
  readonly top: number;
  /** Index of the selected entry, -1: none. */
  readonly selected: number;
  readonly placed: readonly PlacedColumn[];
}

/** From this height on, an empty line sets the header off. */
const AIRY_ROWS = 16;

/** The header gives up all but its first line below this height. */
const FULL_HEADER_ROWS = 8;

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}

/** The scroll position nearest to `top` at which `index` can be seen. */
export function scrolledTo(index: number, top: number, pageRows: number): number {
  return index < 0 ? top : clamp(top, index - pageRows + 1, index);
}

/** `headerLines`: lines that the header would like to have. */
export function layOut(listing: Listing, state: UiState, size: Size, headerLines: number): Layout {
  const { entries } = listing;
  const headerRows = size.rows < FULL_HEADER_ROWS ? Math.min(1, headerLines) : headerLines;
  const headingY = headerRows + (size.rows >= AIRY_ROWS ? 1 : 0);
  const pageRows = Math.max(1, size.rows - headingY - 2);
  const selected = state.selection === null ? -1 : entries.indexOf(state.selection);
  const wanted = state.follows ? scrolledTo(selected, state.top, pageRows) : state.top;
  return {
    headerRows,
    headingY,
    pageRows,
    top: clamp(wanted, 0, Math.max(0, entries.length - pageRows)),
    selected,
    placed: placeColumns(listing, state, size.columns),
  };
}

/** The entries on the screen. */
export function visibleEntries({ entries }: Listing, { top, pageRows }: Layout): readonly Entry[] {
  return entries.slice(top, top + pageRows);
}
