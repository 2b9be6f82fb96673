/** The details of one connection. */
import {
  formatBytes,
  formatEndpoint,
  formatMicros,
  formatMillis,
  formatRate,
  UNKNOWN,
} from "../../../base/format.ts";
import { sanitise } from "../../../base/sanitise.ts";
import { displayWidth, padEnd, shorten } from "../../../base/width.ts";
import { type Line, LineWriter, type Size, textLine } from "../../../core/cells.ts";
import { barGraph } from "../../../core/graph.ts";
import type { ProcessFacts } from "../../../core/process.ts";
import { heatOf, type Tone } from "../../../core/tone.ts";
import type { DetailFacts } from "../../../core/view.ts";
import type { Connection } from "../connection.ts";
import { SERIES_LENGTH, type Series } from "../history.ts";
import { ownerMark } from "../marks.ts";

type FlowFacts = DetailFacts<Series> & {
  readonly connection: Connection;
  /** Of its owner. */
  readonly process: ProcessFacts | null;
};

const LABEL_CELLS = 13;

type Facts = readonly (readonly [label: string, text: string])[];

function msBetween(fromNs: number, toNs: number): number {
  return Math.max(0, Math.round((toNs - fromNs) / 1e6));
}

/** A size, and exactly. */
function both(bytes: number): string {
  return bytes < 1000 ? formatBytes(bytes) : `${formatBytes(bytes)} (${bytes} B)`;
}

const NOT_RECORDED = "not recorded";

/** What the marks of the table mean. */
const OWNER_WORDS = {
  "+": "several processes use this socket; this one used it last",
  "?": "nobody was seen using this socket; this one listens for it, or has it open",
} as const;

function ownerFacts({ connection, process, isReplay }: FlowFacts): Facts {
  const { owner } = connection;
  const mark = ownerMark(connection);
  return [
    [
      "Process",
      owner === null
        ? "unknown"
        : `${sanitise(owner.process)}, PID ${owner.pid}${owner.uid === null ? "" : `, user id ${owner.uid}`}`,
    ],
    ...(mark === "" ? [] : ([["Owner", OWNER_WORDS[mark]]] as const)),
    ...(process?.commandLine ? ([["Command", sanitise(process.commandLine)]] as const) : []),
    ...(isReplay && process === null ? ([["Command", NOT_RECORDED]] as const) : []),
    ...(process?.ancestors ? ([["Started by", process.ancestors.map(sanitise).join(" → ")]] as const) : []),
  ];
}

/** Where the connection belongs: less often asked for, so last. */
function placeFacts({ connection: { owner, netns }, process, isReplay }: FlowFacts): Facts {
  const id = owner?.cgroupId == null ? [] : [`id ${owner.cgroupId}`];
  const path = isReplay && process === null ? [`path ${NOT_RECORDED}`] : [];
  const cgroup = [...(process?.cgroup ? [sanitise(process.cgroup)] : path), ...id];
  return [
    ["Cgroup", cgroup.length === 0 ? "unknown" : cgroup.join(", ")],
    ["Network ns", String(netns)],
  ];
}

function lifeFacts({ connection, nowNs, isGone }: FlowFacts): Facts {
  const { phase, partial, openedNs, activeNs, stateSinceNs } = connection;
  const endNs = phase.kind === "closing" ? phase.closedNs : nowNs;
  const age = formatMillis(msBetween(openedNs, endNs));
  const state = connection.state ?? "UDP";
  const isOver = isGone || phase.kind === "closing";
  const since = stateSinceNs === null ? "" : ` for ${formatMillis(msBetween(stateSinceNs, nowNs))}`;
  const hasMoved = activeNs !== null && connection.packetsIn + connection.packetsOut > 0;
  const active = !hasMoved
    ? "nothing moved yet"
    : `last moved ${formatMillis(msBetween(activeNs, nowNs))} ago`;
  return [
    ["State", isOver ? `${state}, closed` : `${state}${since}`],
    ["Age", partial ? `seen for ${age}, older than tcptop` : age],
    ["Activity", active],
  ];
}

function tcpFacts({ connection: { tcp } }: FlowFacts): Facts {
  if (tcp === null) return [];
  return [
    ["Retransmits", `${counted(tcp.retransmits, "segment")}, ${both(tcp.bytesRetrans)}`],
    ["Window", tcp.sndCwnd === null ? UNKNOWN : `${counted(tcp.sndCwnd, "segment")} (congestion window)`],
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function factLines(facts: Facts, columns: number): Line[] {
  return facts.map(([label, text]) => {
    const line = new LineWriter(columns).add(` ${padEnd(label, LABEL_CELLS)}`, "quiet");
    return line.add(shorten(text, line.left - 1)).done();
  });
}

interface Graph {
  readonly label: string;
  readonly text: string;
  readonly values: readonly number[];
  readonly tone: Tone;
  readonly show: (value: number) => string;
}

function graphsOf({ connection, past, style }: FlowFacts): Graph[] {
  const rate = (value: number) => formatRate(value, style);
  const direction = (
    label: string,
    bytes: number,
    packets: number,
    now: number,
    values: readonly number[],
  ) => ({
    label,
    text: `${rate(now)}   ${both(bytes)}   ${counted(packets, "packet")}`,
    values,
    tone: heatOf(now),
    show: rate,
  });
  const { bytesIn, bytesOut, packetsIn, packetsOut, rateIn, rateOut, tcp } = connection;
  const micros = (us: number | null) => (us === null ? UNKNOWN : formatMicros(us, style));
  return [
    direction("In", bytesIn, packetsIn, rateIn, past.rateIn),
    direction("Out", bytesOut, packetsOut, rateOut, past.rateOut),
    ...(tcp === null
      ? []
      : [
          {
            label: "RTT",
            text: `${micros(tcp.srttUs)} now, ${micros(tcp.minRttUs)} lowest, ${micros(tcp.rttvarUs)} variation`,
            values: past.rttUs,
            tone: "plain" as const,
            // 0 stands for none known.
            show: (us: number) => (us === 0 ? "" : micros(us)),
          },
        ]),
  ];
}

function graphLines(graph: Graph, height: number, columns: number): Line[] {
  const head = new LineWriter(columns)
    .add(` ${padEnd(graph.label, LABEL_CELLS)}`, "quiet")
    .add(graph.text, graph.tone === "quiet" ? "plain" : graph.tone)
    .done();
  const width = Math.min(SERIES_LENGTH, columns - LABEL_CELLS - 14);
  const most = graph.show(graph.values.slice(-width).reduce((a, b) => Math.max(a, b), 0));
  const rows = barGraph(graph.values, width, height).map((row, i) => {
    const line = new LineWriter(columns)
      .to(LABEL_CELLS + 1)
      .add(row, graph.tone === "quiet" ? "plain" : graph.tone);
    if (i === 0) line.add(` ${most}`, "quiet");
    return line.done();
  });
  return [head, ...rows];
}

/** Graphs get what height the facts leave, up to four lines each. */
export function detailLines(
  connection: Connection,
  details: DetailFacts<Series>,
  { columns, rows }: Size,
): Line[] {
  const { owner } = connection;
  const facts = { ...details, connection, process: owner && details.describe(owner) };
  const { protocol, local, remote } = connection;
  const title = ` ${protocol} ${formatEndpoint(local)} → ${formatEndpoint(remote)}`;
  const fits = displayWidth(title) < columns;
  const half = Math.floor((columns - 8 - protocol.length) / 2);
  const shown = fits
    ? title
    : ` ${protocol} ${shorten(formatEndpoint(local), half)} → ${shorten(formatEndpoint(remote), half)}`;
  const before = [...ownerFacts(facts), ...lifeFacts(facts)];
  const after = [...tcpFacts(facts), ...placeFacts(facts)];
  const graphs = graphsOf(facts);
  const room = rows - 1 - before.length - after.length - graphs.length;
  const height = Math.max(0, Math.min(4, Math.floor(room / graphs.length)));
  return [
    textLine(shown, columns, "strong"),
    ...factLines(before, columns),
    ...graphs.flatMap((graph) => graphLines(graph, height, columns)),
    ...factLines(after, columns),
  ].slice(0, rows);
}
