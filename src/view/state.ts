/** What the user has chosen to see, and what their keys ask of the program. */

import type { NumberStyle } from "../base/format.ts";
import type { Connection } from "../lenses/flows/connection.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";

export const VIEWS = ["connections", "processes", "hosts"] as const;
export type View = (typeof VIEWS)[number];

/** A connection's key, or the name of a group. */
export type EntryId = number | string;

/** By the key of a column; `reverse` turns its natural direction round. */
export interface Order {
  readonly key: string;
  readonly reverse: boolean;
}

/** What stands in place of the table. */
export type Panel =
  | { readonly kind: "help"; readonly top: number }
  /** The connection as it was seen last. */
  | { readonly kind: "details"; readonly connection: Connection };

export interface UiState {
  readonly view: View;
  readonly orders: Readonly<Record<View, Order>>;
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
  readonly isWide: boolean;
  readonly numbers: "rates" | "totals";
  readonly style: NumberStyle;
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
  return {
    view: "connections",
    orders: { connections: order ?? BUSIEST, processes: BUSIEST, hosts: BUSIEST },
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
