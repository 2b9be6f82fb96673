/** The entries of a view: grouped, filtered, in order. */
import type { Refresh } from "../core/refresh.ts";
import type { EntryId, Listed } from "../core/view.ts";
import { Entries } from "./entries.ts";
import { lookOf, type UiState, viewOf } from "./state.ts";

/** The part of the state that entries depend on. */
type Wishes = Pick<UiState, "views" | "view" | "looks" | "filter" | "frozen">;

export interface Listing {
  readonly entries: Entries;
  /** As the view listed it. */
  readonly list: Listed<object>;
  /** All items of the view. */
  readonly items: readonly object[];
  /** What all filters let through. */
  readonly passing: readonly object[];
  /** What it was made of. */
  readonly source: { readonly refresh: Refresh; readonly wishes: Wishes };
}

function isMadeOf({ source }: Listing, refresh: Refresh, wishes: Wishes): boolean {
  const keys = ["view", "looks", "filter", "frozen"] as const;
  return source.refresh === refresh && keys.every((key) => source.wishes[key] === wishes[key]);
}

/** Lists what the state asks for. `before` is given back if it still holds, so that a key that only moves costs nothing. */
export function listEntries(refresh: Refresh, wishes: Wishes, before: Listing | null = null): Listing {
  if (before !== null && isMadeOf(before, refresh, wishes)) return before;
  const view = viewOf(wishes);
  const { order, turned } = lookOf(view, wishes);
  const isUnfolded = (id: EntryId) => turned.has(id) !== view.opensUnfolded;
  const items = view.items(refresh);
  const passing = view.passing(items, wishes.filter);
  const list = view.list(passing, refresh.at.nowNs, { order, frozen: wishes.frozen, isUnfolded });
  const entries = new Entries(list.rows, view, isUnfolded);
  return { entries, list, items, passing, source: { refresh, wishes } };
}
