/** What the user has chosen to see, and what their keys ask of the program. */
import type { Switch } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { TableOrder } from "../core/table.ts";
import type { ColumnWishes, EntryId, Order, View } from "../core/view.ts";

/** The views there are, in the order in which a key goes through them. */
export type Views = readonly [View, ...View[]];

/** What stands in place of the table. */
export type Panel =
  | { readonly kind: "help"; readonly top: number }
  /** An item of the view, as it was seen last. */
  | { readonly kind: "details"; readonly item: object };

/** How the user wants one view. */
export interface Look {
  readonly order: Order;
  /** Rows that the user has unfolded, or folded where they open unfolded. */
  readonly turned: ReadonlySet<EntryId>;
}

/** A switch, and the id of its lens. */
export interface LensSwitch extends Switch {
  readonly lens: string;
}

export interface UiState extends ColumnWishes {
  readonly views: Views;
  /** Id of the view that is shown. */
  readonly view: string;
  /** By the ids of views; a view without one is as it began. */
  readonly looks: ReadonlyMap<string, Look>;
  /** Id of the column under the sort cursor; null: it is not out. */
  readonly picked: string | null;
  readonly filter: string;
  /** Keys go into the filter. */
  readonly isTyping: boolean;
  /** Characters of the filter before the cursor, while it is typed. */
  readonly cursor: number;
  /** null: the user has not moved yet. */
  readonly selection: EntryId | null;
  /** First entry on the screen. */
  readonly top: number;
  /** The refresh shown while paused; the capture goes on. */
  readonly paused: Refresh | null;
  /** Entries in the order they stay in; null: sorted anew at each refresh. */
  readonly frozen: readonly EntryId[] | null;
  /** The screen scrolls with the selection. */
  readonly follows: boolean;
  readonly panel: Panel | null;
  readonly delayS: number;
  readonly switches: readonly LensSwitch[];
}

export type Effect =
  | { readonly kind: "quit" }
  | { readonly kind: "suspend" }
  /** Draw everything anew, whatever the terminal shows now. */
  | { readonly kind: "redraw" }
  | { readonly kind: "delay"; readonly delayS: number }
  | { readonly kind: "turn"; readonly lens: string; readonly id: string; readonly isOn: boolean }
  /** Pauses the replay, or goes on. */
  | { readonly kind: "play" }
  | { readonly kind: "seek"; readonly byS: number }
  /** One step faster or slower. */
  | { readonly kind: "speed"; readonly by: 1 | -1 };

export type Choices = Pick<UiState, "views" | "style" | "delayS" | "switches"> & {
  readonly order: TableOrder;
};

/** The command line's order is that of the first view that can be sorted so. */
function looksOf(views: Views, { key, reverse }: TableOrder): Map<string, Look> {
  if (key === null && !reverse) return new Map();
  const view = key === null ? views[0] : views.find((one) => one.sortColumn(key) !== null);
  if (view === undefined) return new Map();
  return new Map([[view.id, { order: { key: key ?? view.order.key, reverse }, turned: new Set() }]]);
}

export function initialState({ views, style, delayS, switches, order }: Choices): UiState {
  return {
    views,
    view: views[0].id,
    looks: looksOf(views, order),
    picked: null,
    filter: "",
    isTyping: false,
    cursor: 0,
    selection: null,
    top: 0,
    paused: null,
    frozen: null,
    follows: false,
    isWide: false,
    numbers: "rates",
    style,
    panel: null,
    delayS,
    switches,
  };
}

/** The view that is shown. */
export function viewOf({ view, views }: Pick<UiState, "view" | "views">): View {
  return views.find(({ id }) => id === view) ?? views[0];
}

/** How a view is shown. */
export function lookOf(view: View, { looks }: Pick<UiState, "looks">): Look {
  return looks.get(view.id) ?? { order: view.order, turned: new Set() };
}

/** How the view that is shown is sorted. */
export function orderOf(state: Pick<UiState, "view" | "views" | "looks">): Order {
  return lookOf(viewOf(state), state).order;
}

/** The state with another look of the view that is shown. */
export function withLook(state: UiState, look: Partial<Look>): UiState {
  const view = viewOf(state);
  return { ...state, looks: new Map(state.looks).set(view.id, { ...lookOf(view, state), ...look }) };
}
