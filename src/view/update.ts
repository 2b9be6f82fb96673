/** What each key, click and refresh changes. */
import type { Refresh } from "../core/refresh.ts";
import type { EntryId, Order } from "../core/view.ts";
import { clamp, type Layout, scrolledTo } from "./layout.ts";
import type { Listing } from "./listing.ts";
import { type Effect, type LensSwitch, lookOf, orderOf, type UiState, viewOf, withLook } from "./state.ts";
import { charactersOf, pressKey, type Typed, typeText } from "./typed.ts";

/** One input of the user. Special keys have names such as `up`, `f5`, `ctrl-c`; unknown ones do nothing. */
export type Input =
  | { readonly kind: "key"; readonly name: string }
  /** Printable characters. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "click"; readonly x: number; readonly y: number }
  /** Positive: down. */
  | { readonly kind: "wheel"; readonly lines: number };

/** The screen at the time of the input. */
export interface Context {
  /** The newest, shown or not. */
  readonly refresh: Refresh;
  readonly listing: Listing;
  readonly layout: Layout;
  /** How far the help page scrolls. */
  readonly helpLimit: number;
  /** What is shown is a recording: keys of time are for its player. */
  readonly isReplay: boolean;
}

export interface Change {
  readonly state: UiState;
  readonly effects: readonly Effect[];
}

/** Seconds between refreshes that `+` and `-` step through. */
const DELAYS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60] as const;

function unchanged(state: UiState): Change {
  return { state, effects: [] };
}

function set(state: UiState, fields: Partial<UiState>): Change {
  return { state: { ...state, ...fields }, effects: [] };
}

function effect(state: UiState, ...effects: Effect[]): Change {
  return { state, effects };
}

function setOrder(state: UiState, order: Order): UiState {
  return { ...withLook(state, { order }), frozen: null };
}

/** Sorts by a column; by the one it is sorted by already, the other way round. */
function sortBy(key: string, state: UiState): UiState {
  if (viewOf(state).sortColumn(key) === null) return state;
  const before = orderOf(state);
  return setOrder(state, { key, reverse: before.key === key && !before.reverse });
}

/** The traffic columns show rates or totals, and are sorted by what they show. */
function toggleNumbers(state: UiState): UiState {
  const numbers = state.numbers === "rates" ? "totals" : "rates";
  const looks = new Map(
    state.views.map((view) => {
      const look = lookOf(view, state);
      return [view.id, { ...look, order: { ...look.order, key: view.sortKeyFor(look.order.key, numbers) } }];
    }),
  );
  return { ...state, numbers, looks };
}

function move(state: UiState, { listing, layout }: Context, to: number): UiState {
  const index = clamp(to, 0, listing.entries.length - 1);
  const entry = listing.entries.at(index);
  if (entry === undefined) return state;
  return { ...state, selection: entry.id, top: scrolledTo(index, layout.top, layout.pageRows) };
}

/** A first step selects the first row on the screen. */
function step(state: UiState, context: Context, rows: number): UiState {
  const { selected, top } = context.layout;
  return move(state, context, selected === -1 ? top : selected + rows);
}

function scroll(state: UiState, { layout, listing }: Context, lines: number): UiState {
  const last = Math.max(0, listing.entries.length - layout.pageRows);
  return { ...state, follows: false, top: clamp(layout.top + lines, 0, last) };
}

function setFolded(state: UiState, id: EntryId, folded: boolean): UiState {
  const view = viewOf(state);
  const turned = new Set(lookOf(view, state).turned);
  if (folded === view.opensUnfolded) turned.add(id);
  else turned.delete(id);
  return withLook(state, { turned });
}

/** Details of an item, or the items of a group; without a selection, of the first row shown. */
function open(state: UiState, { layout, listing }: Context): UiState {
  const entry = listing.entries.at(layout.selected === -1 ? layout.top : layout.selected);
  if (entry === undefined) return state;
  const selected = { ...state, selection: entry.id };
  if (entry.item === null) return setFolded(selected, entry.id, entry.isUnfolded);
  return { ...selected, panel: { kind: "details", item: entry.item } };
}

/**
 * Folds or unfolds the selected row; folding what has nothing to fold selects the row that it stands under. Returns null
 * where no row can be folded.
 */
function fold(state: UiState, context: Context, folded: boolean): UiState | null {
  const { listing, layout } = context;
  const entry = listing.entries.at(layout.selected);
  if (entry === undefined || !viewOf(state).folds) return null;
  if (entry.isFoldable && entry.isUnfolded === folded) return setFolded(state, entry.id, folded);
  if (!folded) return state;
  const head = listing.entries.headOf(layout.selected);
  return head === -1 ? state : move(state, context, head);
}

function sortableColumns({ placed }: Layout) {
  return placed.map(({ column }) => column).filter(({ sortKey }) => sortKey !== null);
}

/** Moves the sort cursor; it comes out at the column that is sorted by. */
function pick(state: UiState, { layout }: Context, by: number): UiState {
  const columns = sortableColumns(layout);
  const { key } = orderOf(state);
  const at = columns.findIndex(({ id, sortKey }) =>
    state.picked === null ? sortKey === key : id === state.picked,
  );
  const start = at === -1 ? 0 : at;
  const next = state.picked === null && by === 0 ? start : (start + by + columns.length) % columns.length;
  return { ...state, picked: columns[next]?.id ?? null };
}

function sortByPicked(state: UiState, { layout }: Context): UiState {
  const key = sortableColumns(layout).find(({ id }) => id === state.picked)?.sortKey ?? null;
  const next = { ...state, picked: null };
  return key === null ? next : sortBy(key, next);
}

/** Sorts by the column beside the one that is sorted by now, in its natural direction. */
function sortBeside(state: UiState, context: Context, by: number): UiState {
  return sortByPicked(pick({ ...state, picked: null }, context, by), context);
}

function reverse(state: UiState): UiState {
  const before = orderOf(state);
  return setOrder(state, { ...before, reverse: !before.reverse });
}

function nextView(state: UiState): UiState {
  const { views } = state;
  const view = (views[views.indexOf(viewOf(state)) + 1] ?? views[0]).id;
  return { ...state, view, picked: null, selection: null, top: 0, frozen: null, follows: false };
}

function changeDelay(state: UiState, by: 1 | -1): Change {
  const { delayS } = state;
  const next = by === 1 ? DELAYS_S.find((s) => s > delayS) : DELAYS_S.findLast((s) => s < delayS);
  if (next === undefined) return unchanged(state);
  return effect({ ...state, delayS: next }, { kind: "delay", delayS: next });
}

function freeze(state: UiState, { listing }: Context): UiState {
  return { ...state, frozen: state.frozen === null ? listing.entries.ids() : null };
}

/** Esc takes back one thing: the sort cursor, the filter, the selection's following. */
function takeBack(state: UiState): UiState {
  if (state.picked !== null) return { ...state, picked: null };
  if (state.filter !== "") return { ...state, filter: "", top: 0 };
  return { ...state, follows: false };
}

/** Letters that stand for keys. */
const NAMES: Readonly<Record<string, string>> = {
  k: "up",
  j: "down",
  g: "home",
  G: "end",
  h: "f1",
  "?": "f1",
  "/": "f4",
  v: "f5",
  Z: "space",
  " ": "space",
};

function turn(state: UiState, { lens, id, isOn }: LensSwitch): Change {
  const switches = state.switches.map((one) =>
    one.lens === lens && one.id === id ? { ...one, isOn: !isOn } : one,
  );
  return effect({ ...state, switches }, { kind: "turn", lens, id, isOn: !isOn });
}

type Action = (state: UiState, context: Context) => UiState | Change;

/** A page keeps one row of the one before. */
function page({ layout }: Context): number {
  return Math.max(1, layout.pageRows - 1);
}

/** What keys do while a recording is played. */
const PLAYER: Readonly<Record<string, Effect>> = {
  space: { kind: "play" },
  "[": { kind: "seek", byS: -10 },
  "]": { kind: "seek", byS: 10 },
  "{": { kind: "seek", byS: -60 },
  "}": { kind: "seek", byS: 60 },
  "+": { kind: "speed", by: 1 },
  "=": { kind: "speed", by: 1 },
  "-": { kind: "speed", by: -1 },
};

const ACTIONS: Readonly<Record<string, Action>> = {
  q: (state) => effect(state, { kind: "quit" }),
  up: (state, context) => step(state, context, -1),
  down: (state, context) => step(state, context, 1),
  pageup: (state, context) => step(state, context, -page(context)),
  pagedown: (state, context) => step(state, context, page(context)),
  home: (state, context) => move(state, context, 0),
  end: (state, context) => move(state, context, context.listing.entries.length - 1),
  left: (state, context) => fold(state, context, true) ?? pick(state, context, -1),
  right: (state, context) => fold(state, context, false) ?? pick(state, context, 1),
  tab: (state, context) => pick(state, context, 1),
  "shift-tab": (state, context) => pick(state, context, -1),
  f6: (state, context) => pick(state, context, 0),
  "<": (state, context) => sortBeside(state, context, -1),
  ">": (state, context) => sortBeside(state, context, 1),
  enter: (state, context) => (state.picked === null ? open(state, context) : sortByPicked(state, context)),
  escape: takeBack,
  f1: (state) => ({ ...state, panel: { kind: "help", top: 0 } }),
  f4: (state) => ({ ...state, isTyping: true, cursor: charactersOf(state.filter).length, top: 0 }),
  f5: nextView,
  space: (state, { refresh }) => ({ ...state, paused: state.paused === null ? refresh : null }),
  I: reverse,
  o: freeze,
  F: (state) => ({ ...state, follows: !state.follows && state.selection !== null }),
  c: (state) => ({ ...state, isWide: !state.isWide }),
  m: toggleNumbers,
  b: (state) => ({ ...state, style: state.style === "raw" ? "human" : "raw" }),
  "+": (state) => changeDelay(state, 1),
  "=": (state) => changeDelay(state, 1),
  "-": (state) => changeDelay(state, -1),
};

function act(state: UiState, name: string, context: Context): Change {
  const played = context.isReplay && Object.hasOwn(PLAYER, name) ? PLAYER[name] : undefined;
  if (played !== undefined) return effect(state, played);
  const sortKeys = viewOf(state).sortKeys(state.numbers);
  const sortKey = Object.hasOwn(sortKeys, name) ? sortKeys[name] : undefined;
  if (sortKey !== undefined) return unchanged(sortBy(sortKey, state));
  const turned = state.switches.find(({ key }) => key === name);
  if (turned !== undefined) return turn(state, turned);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) return unchanged(state);
  const result = action(state, context);
  return "effects" in result ? result : unchanged(result);
}

/** Keys that mean the same wherever they are pressed. */
const EVERYWHERE: Readonly<Record<string, Effect>> = {
  "ctrl-c": { kind: "quit" },
  f10: { kind: "quit" },
  "ctrl-z": { kind: "suspend" },
  "ctrl-l": { kind: "redraw" },
};

function typeFilter(state: UiState, input: Input): Change {
  const typed = { text: state.filter, cursor: state.cursor };
  const edited = ({ text, cursor }: Typed) => {
    const top = text === state.filter ? state.top : 0;
    return set(state, { filter: text, cursor, top });
  };
  if (input.kind === "text") return edited(typeText(typed, input.text));
  if (input.kind !== "key") return unchanged(state);
  if (input.name === "enter") return set(state, { isTyping: false });
  if (input.name === "escape") return set(state, { isTyping: false, filter: "", top: 0 });
  return edited(pressKey(typed, input.name));
}

/** By how many lines a key scrolls the page of keys, `pageRows` at a time. */
const HELP_SCROLL: Readonly<Record<string, (pageRows: number) => number>> = {
  up: () => -1,
  down: () => 1,
  pageup: (pageRows) => -Math.max(1, pageRows),
  pagedown: (pageRows) => Math.max(1, pageRows),
  home: () => -Infinity,
  end: () => Infinity,
};

function inPanel(state: UiState, name: string, context: Context): Change {
  const { panel } = state;
  const lines = Object.hasOwn(HELP_SCROLL, name) ? HELP_SCROLL[name]?.(context.layout.pageRows) : undefined;
  if (panel?.kind === "help" && lines !== undefined) {
    return set(state, { panel: { kind: "help", top: clamp(panel.top + lines, 0, context.helpLimit) } });
  }
  switch (name) {
    case "q":
      return effect(state, { kind: "quit" });
    case "escape":
    case "enter":
    case "backspace":
    case "left":
      return set(state, { panel: null });
    case "f1":
      return set(state, { panel: panel?.kind === "help" ? null : { kind: "help", top: 0 } });
    case "space":
    case "b":
    case "+":
    case "=":
    case "-":
    case "[":
    case "]":
    case "{":
    case "}":
      return act(state, name, context);
    default:
      return unchanged(state);
  }
}

function click(state: UiState, x: number, y: number, context: Context): UiState {
  const { layout, listing } = context;
  if (state.panel !== null) return state;
  if (y === layout.headingY) {
    const column = layout.placed.find((placed) => x >= placed.x && x <= placed.x + placed.cells)?.column;
    return column === undefined || column.sortKey === null ? state : sortBy(column.sortKey, state);
  }
  const row = y - layout.headingY - 1;
  const index = layout.top + row;
  if (row < 0 || row >= layout.pageRows || index >= listing.entries.length) return state;
  return index === layout.selected ? open(state, context) : move(state, context, index);
}

/** The state after one input, and what the program has to do; every input is taken in every state. */
export function update(state: UiState, input: Input, context: Context): Change {
  if (input.kind === "key" && Object.hasOwn(EVERYWHERE, input.name)) {
    const everywhere = EVERYWHERE[input.name];
    if (everywhere !== undefined) return effect(state, everywhere);
  }
  if (input.kind === "click") return unchanged(click(state, input.x, input.y, context));
  if (input.kind === "wheel") {
    return state.panel === null
      ? unchanged(scroll(state, context, input.lines))
      : inPanel(state, input.lines > 0 ? "down" : "up", context);
  }
  if (state.isTyping) return typeFilter(state, input);
  if (input.kind === "key")
    return state.panel === null ? act(state, input.name, context) : inPanel(state, input.name, context);
  let change = unchanged(state);
  for (const character of input.text) {
    const name = NAMES[character] ?? character;
    const typed: Input = { kind: "text", text: character };
    const next = change.state.isTyping
      ? typeFilter(change.state, typed)
      : change.state.panel === null
        ? act(change.state, name, context)
        : inPanel(change.state, name, context);
    change = { state: next.state, effects: [...change.effects, ...next.effects] };
  }
  return change;
}

/**
 * Fits the state to a new listing: a selection whose row has gone passes to the row in its place, the
 * open details show the connection as it is now. `before`: what was shown until now.
 */
export function settle(
  state: UiState,
  listing: Listing,
  before: { readonly listing: Listing; readonly layout: Layout } | null,
): UiState {
  return followDetails(keepSelection(state, listing, before), listing);
}

function keepSelection(
  state: UiState,
  listing: Listing,
  before: { readonly listing: Listing; readonly layout: Layout } | null,
): UiState {
  const { selection } = state;
  if (selection === null || listing.entries.indexOf(selection) !== -1) return state;
  const place = before === null ? -1 : before.listing.entries.indexOf(selection);
  const heir = place === -1 ? undefined : listing.entries.at(Math.min(place, listing.entries.length - 1));
  return { ...state, selection: heir?.id ?? null, follows: false };
}

function followDetails(state: UiState, { items }: Listing): UiState {
  const { panel } = state;
  if (panel?.kind !== "details") return state;
  const view = viewOf(state);
  const key = view.keyOf(panel.item);
  const now = items.find((item) => view.keyOf(item) === key);
  if (now === undefined || now === panel.item) return state;
  return { ...state, panel: { kind: "details", item: now } };
}
