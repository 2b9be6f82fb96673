/** The columns that several views of flows have. */
import { UNKNOWN } from "../../../base/format.ts";
import { shorten } from "../../../base/width.ts";
import { type Cell, type CellKind, showCell } from "../../../core/column.ts";
import { heatOf, plain, type Shown } from "../../../core/tone.ts";
import type { ColumnWishes, Scale, TableColumn } from "../../../core/view.ts";
import { findColumn } from "../columns.ts";
import { ownerMark } from "../marks.ts";
import { findGroupColumn, type Grouping } from "./groups.ts";
import { type FlowRow, isGroup } from "./rows.ts";

export type FlowColumn = TableColumn<FlowRow>;

const STATE_CELLS = "ESTABLISHED".length;

/** Cells of a number with its unit. */
export const CELLS = {
  human: { rate: 9, bytes: 8, packets: 8, rtt: 8, pid: 7 },
  raw: { rate: 14, bytes: 16, packets: 10, rtt: 11, pid: 7 },
} as const;

function shownNumber(kind: CellKind, cell: Cell, { style }: Scale): Shown {
  const text = showCell(kind, cell, style);
  if (kind === "rate" && typeof cell === "number") return { text, tone: heatOf(cell) };
  return { text, tone: cell === 0 || cell === null ? "quiet" : "plain" };
}

/** What a connection's column or a group's says of a row, as text; empty where it says nothing. */
function cellOf(key: string, row: FlowRow, scale: Scale, grouping: Grouping | null): Shown {
  if (!isGroup(row)) {
    const column = findColumn(key);
    return column === undefined ? plain("") : shownNumber(column.kind, column.value(row, scale.nowNs), scale);
  }
  const column = grouping === null ? undefined : findGroupColumn(key, grouping);
  return column === undefined ? plain("") : shownNumber(column.kind, column.value(row), scale);
}

export function text(id: string, title: string, cells: number): Omit<FlowColumn, "show" | "rank"> {
  return { id, title, align: "left", least: cells, best: cells, sortKey: id };
}

/** As the table of connections says it. */
export function connectionText(id: string, title: string, cells: number, rank: number): FlowColumn {
  return { ...text(id, title, cells), rank, show: (row, scale) => cellOf(id, row, scale, null) };
}

/** With the protocol where a flow has no state, on request. */
export function stateColumn(rank: number, withProtocol: boolean): FlowColumn {
  return {
    ...text("state", "STATE", STATE_CELLS),
    rank,
    show(row, scale) {
      if (isGroup(row)) return plain("");
      const shown = cellOf("state", row, scale, null);
      return withProtocol && shown.text === UNKNOWN ? { text: row.protocol, tone: "plain" } : shown;
    },
  };
}

export const PROCESS: FlowColumn = {
  id: "process",
  title: "PROCESS",
  align: "left",
  least: 12,
  best: 16,
  rank: 100,
  sortKey: "process",
  show(row, scale, cells) {
    const shown = cellOf("process", row, scale, null);
    const mark = isGroup(row) ? "" : ownerMark(row);
    return mark === "" ? shown : { ...shown, text: shorten(shown.text, cells - 1) + mark };
  },
};

/** Columns of numbers, right-aligned. */
export class Numbers {
  readonly #grouping: Grouping | null;

  /** null: no groups are among the rows. */
  constructor(grouping: Grouping | null) {
    this.#grouping = grouping;
  }

  column(key: string, title: string, cells: number, rank: number): FlowColumn {
    return {
      id: key,
      title,
      align: "right",
      least: cells,
      best: cells,
      rank,
      sortKey: key,
      show: (row, scale) => cellOf(key, row, scale, this.#grouping),
    };
  }

  /** Only of groups. */
  ofGroups(key: string, title: string, cells: number, rank: number): FlowColumn {
    const column = this.column(key, title, cells, rank);
    return {
      ...column,
      show: (row, scale, width) => (isGroup(row) ? column.show(row, scale, width) : plain("")),
    };
  }

  traffic({ numbers, style }: ColumnWishes, rank: number): FlowColumn[] {
    const cells = CELLS[style];
    return numbers === "rates"
      ? this.#rates(cells.rate, rank)
      : [
          this.column("bytes_in", "TOTAL IN", cells.rate, rank),
          this.column("bytes_out", "TOTAL OUT", cells.rate, rank),
        ];
  }

  /** The columns that `c` adds; those asked for outrank what is there by itself. */
  more({ isWide, numbers, style }: ColumnWishes, rank: number): FlowColumn[] {
    if (!isWide) return [];
    const cells = CELLS[style];
    const others =
      numbers === "rates"
        ? [
            this.column("bytes_in", "TOTAL IN", Math.max(cells.bytes, 9), rank),
            this.column("bytes_out", "TOTAL OUT", Math.max(cells.bytes, 9), rank),
          ]
        : this.#rates(cells.rate, rank);
    return [
      ...others,
      this.column("packets_in", "PKTS IN", cells.packets, rank - 1),
      this.column("packets_out", "PKTS OUT", cells.packets + 1, rank - 1),
    ];
  }

  #rates(cells: number, rank: number): FlowColumn[] {
    return [this.column("rate_in", "IN", cells, rank), this.column("rate_out", "OUT", cells, rank)];
  }
}
