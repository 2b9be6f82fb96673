/** The rows of the table in their order; each is described only when it is drawn. */
import type { Connection } from "../lenses/flows/connection.ts";
import type { Group } from "./groups.ts";
import type { EntryId } from "./state.ts";

export interface ConnectionEntry {
  readonly kind: "connection";
  readonly id: number;
  readonly connection: Connection;
}

export interface GroupEntry {
  readonly kind: "group";
  readonly id: string;
  readonly group: Group;
  readonly isUnfolded: boolean;
}

/** One row of the table; in the views of groups, connections stand under the group they are of. */
export type Entry = ConnectionEntry | GroupEntry;

type Row = Connection | Group;

function isGroup(row: Row): row is Group {
  return "connections" in row;
}

function idOf(row: Row): EntryId {
  return isGroup(row) ? row.id : row.key;
}

export class Entries {
  readonly #rows: readonly Row[];
  readonly #unfolded: ReadonlySet<EntryId>;

  /** Groups that are in `unfolded` have their connections behind them. */
  constructor(rows: readonly Row[], unfolded: ReadonlySet<EntryId>) {
    this.#rows = rows;
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
    return this.#rows.findIndex((row) => idOf(row) === id);
  }

  ids(): EntryId[] {
    return this.#rows.map(idOf);
  }

  /** Index of the group that the entry at `index` stands under. */
  headOf(index: number): number {
    return this.#rows.findLastIndex((row, i) => i < index && isGroup(row));
  }

  #entryOf(row: Row): Entry {
    return isGroup(row)
      ? { kind: "group", id: row.id, group: row, isUnfolded: this.#unfolded.has(row.id) }
      : { kind: "connection", id: row.key, connection: row };
  }
}
