/** The figures above the table: what moves, and how many connections there are. */
import { formatBytes, formatRate, type NumberStyle } from "../../base/format.ts";
import { displayWidth, padStart } from "../../base/width.ts";
import { type Line, LineWriter } from "../../core/cells.ts";
import { barGraph } from "../../core/graph.ts";
import { heatOf } from "../../core/tone.ts";
import type { TcpState } from "./connection.ts";
import { PAST_LENGTH, type Tallies, type Tally } from "./tallies.ts";

/** Words for groups of states, in the order in which they are shown. */
const CONNECTED: StateWords = [
  ["established", ["ESTABLISHED"]],
  ["opening", ["SYN_SENT", "SYN_RECV", "NEW_SYN_RECV"]],
  ["closing", ["FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK", "CLOSING"]],
];
const WAITING: StateWords = [
  ["listening", ["LISTEN"]],
  ["in TIME_WAIT", ["TIME_WAIT"]],
];
type StateWords = readonly (readonly [word: string, states: readonly TcpState[]])[];

function countStates({ counts }: Tally, words: StateWords): string[] {
  return words.flatMap(([word, states]) => {
    const count = states.reduce((sum, state) => sum + (counts.byState.get(state) ?? 0), 0);
    return count === 0 ? [] : [`${count} ${word}`];
  });
}

const RATE_CELLS = 10;
const TOTAL_CELLS = { human: 9, raw: 16 } as const;

interface Direction {
  readonly name: "in" | "out";
  readonly rate: number;
  readonly total: number;
  readonly past: readonly number[];
}

/** The graph's scale is that of the bars it has, and the peak is the highest of them. */
function directionLine(
  direction: Direction,
  counts: readonly string[],
  graphCells: number,
  style: NumberStyle,
  columns: number,
): Line {
  const line = new LineWriter(columns);
  const rate = padStart(formatRate(direction.rate, style), style === "raw" ? 15 : RATE_CELLS);
  line
    .add(` ${direction.name.padEnd(3)} `, "strong")
    .add(rate, heatOf(direction.rate))
    .add(" ");
  line.add(barGraph(direction.past, graphCells, 1).join(""), "heat1");
  const peak = direction.past.slice(-graphCells).reduce((a, b) => Math.max(a, b), 0);
  if (columns >= 80) line.add(`  peak ${padStart(formatRate(peak), RATE_CELLS)}`, "quiet");
  if (columns >= 70) line.add(`  ${padStart(formatBytes(direction.total, style), TOTAL_CELLS[style])}`);
  line.add("   ");
  counts.forEach((count, i) => {
    line.addWhole(i === 0 ? count : `  ${count}`, i === 0 ? "strong" : "plain");
  });
  return line.done();
}

/** The sums of the machine beside those of the filter, with totals where there is room for them. */
function machineLine({ totals, counts }: Tally, style: NumberStyle, columns: number): Line {
  const { rateIn, rateOut, bytesIn, bytesOut } = totals;
  const [ratesIn, ratesOut] = [formatRate(rateIn, style), formatRate(rateOut, style)];
  const [allIn, allOut] = [formatBytes(bytesIn, style), formatBytes(bytesOut, style)];
  const texts = [
    ` machine: in ${ratesIn}, ${allIn}  out ${ratesOut}, ${allOut}`,
    ` machine: in ${ratesIn}  out ${ratesOut}`,
  ];
  const shortest = ` machine ${ratesIn} / ${ratesOut}`;
  return new LineWriter(columns)
    .add(texts.find((text) => displayWidth(text) <= columns) ?? shortest, "quiet")
    .addWhole(`   TCP ${counts.tcp}`, "quiet")
    .addWhole(`  UDP ${counts.udp}`, "quiet")
    .done();
}

/**
 * What moves, above the table, for so many columns: a line each for in and out, one more for the machine when a filter is
 * on.
 */
export function figureLines({ shown, machine }: Tallies, style: NumberStyle, columns: number): Line[] {
  const { totals, counts, fresh, pastIn, pastOut } = shown;
  const graphCells = Math.min(Math.max(columns - 96, columns >= 80 ? 12 : 16), PAST_LENGTH);
  const tcp = [`TCP ${counts.tcp}`, ...countStates(shown, CONNECTED)];
  const udp = [`UDP ${counts.udp}`, ...countStates(shown, WAITING), ...(fresh > 0 ? [`${fresh} new`] : [])];
  const directions: readonly (readonly [Direction, readonly string[]])[] = [
    [{ name: "in", rate: totals.rateIn, total: totals.bytesIn, past: pastIn }, tcp],
    [{ name: "out", rate: totals.rateOut, total: totals.bytesOut, past: pastOut }, udp],
  ];
  const lines = directions.map(([direction, texts]) =>
    directionLine(direction, texts, graphCells, style, columns),
  );
  return machine === null ? lines : [...lines, machineLine(machine, style, columns)];
}
