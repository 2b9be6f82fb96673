/** The rows of the table in their order; each is described only when it is drawn. */
import type { EntryId } from "../core/view.ts";
import type { Item, ItemView } from "../lenses.ts";

/** One row of the table. */
export interface Entry {
  readonly id: EntryId;
  readonly row: object;
  /** null: a group. */
  readonly connection: Item | null;
  readonly isUnfolded: boolean;
}

export class Entries {
  readonly #rows: readonly object[];
  readonly #view: ItemView;
  readonly #unfolded: ReadonlySet<EntryId>;

  /** Groups that are in `unfolded` have their connections behind them. */
  constructor(rows: readonly object[], view: ItemView, unfolded: ReadonlySet<EntryId>) {
    this.#rows = rows;
    this.#view = view;
    this.#unfolded = unfolded;
  }

  get length(): number {
    return this.#rows.length;
  }

  at(index: number): Entry | undefined {
    const row = this.#rows[index];
    return row && this.#entryOf(row);
  }

  slice(start: number, end: number): Entry[] {
    return this.#rows.slice(start, end).map((row) => this.#entryOf(row));
  }

  /** -1 where there is no such entry. */
  indexOf(id: EntryId): number {
    return this.#rows.findIndex((row) => this.#view.idOf(row) === id);
  }

  ids(): EntryId[] {
    return this.#rows.map((row) => this.#view.idOf(row));
  }

  /** Index of the group that the entry at `index` stands under. */
  headOf(index: number): number {
    return this.#rows.findLastIndex((row, i) => i < index && this.#view.itemOf(row) === null);
  }

  #entryOf(row: object): Entry {
    const id = this.#view.idOf(row);
    return { id, row, connection: this.#view.itemOf(row), isUnfolded: this.#unfolded.has(id) };
  }
}
