/** The rows of the table in their order; each is described only when it is drawn. */
import type { EntryId, View } from "../core/view.ts";

/** One row of the table. */
export interface Entry {
  readonly id: EntryId;
  readonly row: object;
  /** null: a group. */
  readonly item: object | null;
  /** Rows are under it, shown or not. */
  readonly isFoldable: boolean;
  readonly isUnfolded: boolean;
}

export class Entries {
  readonly #rows: readonly object[];
  readonly #view: View;
  readonly #isUnfolded: (id: EntryId) => boolean;

  /** Rows that are unfolded have those under them behind them. */
  constructor(rows: readonly object[], view: View, isUnfolded: (id: EntryId) => boolean) {
    this.#rows = rows;
    this.#view = view;
    this.#isUnfolded = isUnfolded;
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

  /** Index of the row that the entry at `index` stands under; -1: under none. */
  headOf(index: number): number {
    const row = this.#rows[index];
    const depth = row === undefined ? 0 : this.#view.depthOf(row);
    return this.#rows.findLastIndex((other, i) => i < index && this.#view.depthOf(other) < depth);
  }

  #entryOf(row: object): Entry {
    const view = this.#view;
    const id = view.idOf(row);
    return {
      id,
      row,
      item: view.itemOf(row),
      isFoldable: view.isFoldable(row),
      isUnfolded: this.#isUnfolded(id),
    };
  }
}
