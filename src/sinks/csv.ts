/** The stream as CSV: a header, then one line for each open, update and close. */
import type { Cell } from "../core/column.ts";
import { FIELDS } from "../lenses/flows/columns.ts";
import type { ConnectionEvent } from "../lenses/flows/events.ts";
import { LossWatch } from "../lenses/flows/loss-words.ts";
import { isoTime, type Output } from "./output.ts";

/** The first line, with its end. */
export const CSV_HEADER = `${["time", "event", ...FIELDS.map(({ key }) => key)].join(",")}\n`;

/** The header that every version's begins with, without an end. */
const OLDEST_HEADER =
  "time,event,proto,local_address,local_port,remote_address,remote_port,pid,process,state," +
  "bytes_in,bytes_out,packets_in,packets_out,rate_in,rate_out,rtt_us,partial";

export const CSV_HEADERS = { current: CSV_HEADER, oldest: OLDEST_HEADER };

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

function eventLine({ event, connection }: ConnectionEvent, time: string, nowNs: number): string {
  return `${[time, event, ...FIELDS.map((field) => encode(field.value(connection, nowNs)))].join(",")}\n`;
}

/** Lines end in a bare LF, as the tools at the other end of a pipe expect. */
export function csvOutput(): Output {
  const watch = new LossWatch();
  return {
    start: () => CSV_HEADER,
    events(events, at) {
      const time = isoTime(at);
      return events.map((event) => eventLine(event, time, at.nowNs)).join("");
    },
    summary({ losses }, skipped, at) {
      watch.see(losses, skipped, at.wallMs);
      return "";
    },
    warning(losses, skipped, at) {
      watch.see(losses, skipped, at.wallMs);
      return watch.text && `warning: ${watch.text}\n`;
    },
  };
}
