/** What the user has chosen to see, and what their keys ask of the program. */
import type { ColumnWishes, EntryId, Order } from "../core/view.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import { type Item, type ItemView, VIEWS } from "../lenses.ts";

/** What stands in place of the table. */
export type Panel =
  | { readonly kind: "help"; readonly top: number }
  /** The connection as it was seen last. */
  | { readonly kind: "details"; readonly connection: Item };

export interface UiState extends ColumnWishes {
  /** Id of the view. */
  readonly view: string;
  /** By the ids of views. */
  readonly orders: ReadonlyMap<string, Order>;
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
  /** The snapshot shown while paused; the capture goes on. */
  readonly paused: Snapshot | null;
  /** Entries in the order they stay in; null: sorted anew at each refresh. */
  readonly frozen: readonly EntryId[] | null;
  /** The screen scrolls with the selection. */
  readonly follows: boolean;
  /** Groups whose connections are shown. */
  readonly unfolded: ReadonlySet<EntryId>;
  readonly panel: Panel | null;
  readonly delayS: number;
  /** Also the sockets that carry no flow. */
  readonly all: boolean;
}

export type Effect =
  | { readonly kind: "quit" }
  | { readonly kind: "suspend" }
  /** Draw everything anew, whatever the terminal shows now. */
  | { readonly kind: "redraw" }
  | { readonly kind: "delay"; readonly delayS: number }
  | { readonly kind: "all"; readonly all: boolean }
  /** Pauses the replay, or goes on. */
  | { readonly kind: "play" }
  | { readonly kind: "seek"; readonly byS: number }
  /** One step faster or slower. */
  | { readonly kind: "speed"; readonly by: 1 | -1 };

export type Choices = Pick<UiState, "style" | "delayS" | "all"> & {
  /** null: the busiest first. */
  readonly order: Order | null;
};

export const BUSIEST: Order = { key: "rate", reverse: false };

export function initialState({ style, delayS, all, order }: Choices): UiState {
  const [first] = VIEWS;
  return {
    view: first.id,
    orders: new Map(order === null ? [] : [[first.id, order]]),
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
    unfolded: new Set(),
    panel: null,
    delayS,
    all,
  };
}

/** The view that is shown. */
export function viewOf({ view }: Pick<UiState, "view">): ItemView {
  return VIEWS.find(({ id }) => id === view) ?? VIEWS[0];
}

/** How the view that is shown is sorted. */
export function orderOf({ view, orders }: Pick<UiState, "view" | "orders">): Order {
  return orders.get(view) ?? BUSIEST;
}
