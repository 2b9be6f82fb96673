/** A flow's line in the stream for people: steady columns. */
import type { Moment } from "../../base/clock.ts";
import { formatTimeOfDay, type NumberStyle, UNKNOWN } from "../../base/format.ts";
import { sanitise } from "../../base/sanitise.ts";
import { displayWidth, padEnd } from "../../base/width.ts";
import { type Column, showCell } from "../../core/column.ts";
import type { TableEvent, TextForm, TextLine } from "../../core/table.ts";
import { getColumn } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { hasBegun } from "./marks.ts";

/** The clock of the wall and the marker of a close are both 8 characters, so the columns stay. */
const CLOSED = "[CLOSED]";

/**
 * Fills a column up to the widest cell so far, within limits: the columns stay where they are, except
 * that the first long address moves them once.
 */
function growingColumn(leastCells: number, mostCells: number): (text: string) => string {
  let cells = leastCells;
  return (text) => {
    cells = Math.max(cells, Math.min(displayWidth(text), mostCells));
    return padEnd(text, cells);
  };
}

/** One word, so that the columns after it can be counted by words; spaces as `lsof` shows them. */
function ownerText({ owner }: Connection): string {
  return owner ? `${sanitise(owner.process).replaceAll(" ", "\\x20")}[${owner.pid}]` : UNKNOWN;
}

/** Remarks at the end of a line. */
function remarks({ event, row }: TableEvent<Connection>, at: Moment, age: string): string[] {
  const { partial, phase } = row;
  const list: string[] = [];
  if (event === "open" && hasBegun(row)) list.push("new");
  if (partial) list.push("partial");
  if (event === "close" && phase.kind === "closing") {
    const closedMs = at.wallMs - (at.nowNs - phase.closedNs) / 1e6;
    list.push(`closed ${formatTimeOfDay(closedMs)} after ${age}`);
  }
  return list;
}

/** The columns of the registry that a line shows. */
const SHOWN = {
  local: getColumn("local"),
  remote: getColumn("remote"),
  proto: getColumn("proto"),
  state: getColumn("state"),
  rtt: getColumn("rtt_us"),
  age: getColumn("age_ms"),
  in: { rate: getColumn("rate_in"), bytes: getColumn("bytes_in"), packets: getColumn("packets_in") },
  out: { rate: getColumn("rate_out"), bytes: getColumn("bytes_out"), packets: getColumn("packets_out") },
};

/** Cells of each number with its unit; a longer one moves the rest of its line. */
const CELLS = {
  human: { rate: 9, bytes: 9, packets: 6, rtt: 8 },
  raw: { rate: 14, bytes: 16, packets: 8, rtt: 10 },
} as const;

export function flowText(style: NumberStyle): TextForm<Connection> {
  const local = growingColumn(21, 47);
  const remote = growingColumn(21, 47);
  const owner = growingColumn(16, 26);
  const cells = CELLS[style];

  function line(item: TableEvent<Connection>, at: Moment): TextLine {
    const { event, row } = item;
    const cell = ({ kind, value }: Column<Connection>) => showCell(kind, value(row, at.nowNs), style);
    const direction = (name: "in" | "out"): string => {
      const { rate, bytes, packets } = SHOWN[name];
      const total = `(${cell(bytes)},`.padStart(cells.bytes);
      return `${name} ${cell(rate).padStart(cells.rate)} ${total} ${cell(packets).padStart(cells.packets)} pkts)`;
    };
    const text = [
      event === "close" ? CLOSED : formatTimeOfDay(at.wallMs),
      local(cell(SHOWN.local)),
      "→",
      remote(cell(SHOWN.remote)),
      cell(SHOWN.proto),
      owner(ownerText(row)),
      cell(SHOWN.state).padEnd("ESTABLISHED".length),
      direction("in"),
      direction("out"),
      `rtt ${cell(SHOWN.rtt).padStart(cells.rtt)}`,
      ...remarks(item, at, cell(SHOWN.age)),
    ].join(" ");
    if (event === "close") return { text, tone: "over" };
    return { text, tone: event === "open" && hasBegun(row) ? "new" : "plain" };
  }

  return { line };
}
