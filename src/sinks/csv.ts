/** A table as CSV: a header, then one line for each event. */
import type { Moment } from "../base/clock.ts";
import type { Cell, Column } from "../core/column.ts";
import { LossWatch } from "../core/losses.ts";
import { momentOf, type Table, type TableEvent } from "../core/table.ts";
import type { Headers } from "./log-file.ts";
import { allLosses, isoTime, type Output } from "./output.ts";

function headerOf(columns: readonly Column<object>[]): string {
  return ["time", "event", ...columns.map(({ key }) => key)].join(",");
}

/** The first line of today, and the one that every version's begins with. */
export function csvHeaders({ columns }: Table): Headers {
  return {
    current: `${headerOf(columns)}\n`,
    oldest: headerOf(columns.filter(({ since = 1 }) => since === 1)),
  };
}

/** Text that Excel, LibreOffice or Sheets would run as a formula, the full-width signs included. */
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

const NEEDS_QUOTES = /[",\r\n]/;

/** A text cell: neutralised by an apostrophe in front, then quoted as RFC 4180 asks. */
function encodeText(text: string): string {
  const inert = FORMULA.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

function encode(cell: Cell): string {
  return typeof cell === "string" ? encodeText(cell) : String(cell ?? "");
}

/** Lines end in a bare LF, as the tools at the other end of a pipe expect. */
export function csvLines({ columns }: Table, events: readonly TableEvent[], at: Moment): string {
  const time = isoTime(at);
  const lineOf = (item: TableEvent) => {
    const { event, row, timeNs } = item;
    const own = timeNs === undefined ? time : isoTime(momentOf(item, at));
    return `${[own, event, ...columns.map((column) => encode(column.value(row, at.nowNs)))].join(",")}\n`;
  };
  return events.map(lineOf).join("");
}

/** A stream has one header, so that it has one table. */
export function csvOutput(table: Table): Output {
  const watch = new LossWatch();
  return {
    start: () => csvHeaders(table).current,
    events: csvLines,
    summary(lenses, skipped, at) {
      watch.see(allLosses(lenses, skipped), at.wallMs);
      return "";
    },
    warning(lenses, skipped, at) {
      watch.see(allLosses(lenses, skipped), at.wallMs);
      return watch.text && `warning: ${watch.text}\n`;
    },
  };
}
