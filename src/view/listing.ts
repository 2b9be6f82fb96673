/** The entries of a view: grouped, filtered, in order. */
import type { Listed } from "../core/view.ts";
import type { Connection } from "../lenses/flows/connection.ts";
import type { Accept } from "../lenses/flows/filter.ts";
import { both, matcher } from "../lenses/flows/matcher.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import { Entries } from "./entries.ts";
import { orderOf, type UiState, viewOf } from "./state.ts";

/** The part of the state that entries depend on. */
type Wishes = Pick<UiState, "view" | "orders" | "filter" | "frozen" | "unfolded">;

export interface Listing {
  readonly entries: Entries;
  /** As the view listed it. */
  readonly list: Listed<object>;
  /** What all filters let through. */
  readonly passing: readonly Connection[];
  /** What it was made of. */
  readonly source: { readonly snapshot: Snapshot; readonly wishes: Wishes };
}

function isMadeOf({ source }: Listing, snapshot: Snapshot, wishes: Wishes): boolean {
  const keys = ["view", "orders", "filter", "frozen", "unfolded"] as const;
  return source.snapshot === snapshot && keys.every((key) => source.wishes[key] === wishes[key]);
}

/**
 * Lists what the state asks for. `before` is given back if it still holds, so that a key that only
 * moves costs nothing. `accept` is the command line's filter, the same for the whole run.
 */
export function listEntries(
  snapshot: Snapshot,
  wishes: Wishes,
  accept: Accept | null,
  before: Listing | null = null,
): Listing {
  if (before !== null && isMadeOf(before, snapshot, wishes)) return before;
  const matches = matcher(wishes.filter);
  const passes = matches === null ? accept : both(accept, matches);
  const shown = passes === null ? snapshot.connections : snapshot.connections.filter(passes);
  const view = viewOf(wishes);
  const { frozen, unfolded } = wishes;
  const list = view.list(shown, snapshot.timeNs, { order: orderOf(wishes), frozen, unfolded });
  return {
    entries: new Entries(list.rows, view, unfolded),
    list,
    passing: shown,
    source: { snapshot, wishes },
  };
}
