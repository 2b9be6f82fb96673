/** The three streams of any connections: independent readers get back every value, and nothing raw is in them. */
import assert from "node:assert/strict";
import type { Moment } from "../../../src/base/clock.ts";
import { sanitise } from "../../../src/base/sanitise.ts";
import { displayWidth } from "../../../src/base/width.ts";
import { FIELDS } from "../../../src/lenses/flows/columns.ts";
import type { ConnectionEvent } from "../../../src/lenses/flows/events.ts";
import { csvOutput } from "../../../src/sinks/csv.ts";
import { jsonOutput } from "../../../src/sinks/json.ts";
import type { Output } from "../../../src/sinks/output.ts";
import { textOutput } from "../../../src/sinks/text.ts";
import { flowLens, flowsTable, summaryOf } from "../../support/lenses.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { connectionOf, snapshotFrom } from "../inputs/connections.ts";
import { readCsv } from "../oracles/csv.ts";
import { assertHarmless, harmlessLines } from "../oracles/text.ts";

const TABLE = flowsTable();
const NOW_NS = 5e12;
const AT: Moment = { wallMs: Date.UTC(2026, 10, 21), nowNs: NOW_NS };
const TIME = "2026-11-21T00:00:00.000Z";

/** What a spreadsheet would run, however it is led in. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

type Cells = readonly (string | number | boolean | null)[];

/** The values as programs should get them, in the order of the header. */
function valuesOf({ event, row: c }: ConnectionEvent): Cells {
  const rate = (value: number) => Math.round(value * 1000) / 1000;
  const endNs = c.phase.kind === "closing" ? c.phase.closedNs : NOW_NS;
  return [
    ...[TIME, event, c.protocol, c.local.address, c.local.port, c.remote.address, c.remote.port],
    ...[c.owner?.pid ?? null, c.owner ? sanitise(c.owner.process) : null, c.state],
    ...[c.bytesIn, c.bytesOut, c.packetsIn, c.packetsOut, rate(c.rateIn), rate(c.rateOut)],
    ...[c.tcp?.srttUs ?? null, c.partial, c.tcp?.minRttUs ?? null, c.tcp?.rttvarUs ?? null],
    ...[c.tcp?.retransmits ?? null, c.tcp?.bytesRetrans ?? null, c.tcp?.sndCwnd ?? null],
    ...[c.owner?.uid ?? null, c.netns, c.owner?.cgroupId?.toString() ?? null],
    Math.max(0, Math.round((endNs - c.openedNs) / 1e6)),
    ...[c.owner && c.shared, c.owner && c.assumed, c.key > 0 ? `${c.key}` : `s${-c.key}`],
    c.owner?.startNs ?? null,
  ];
}

const HEADER = ["time", "event", ...FIELDS.map(({ key }) => key)];

function checkCsv(events: readonly ConnectionEvent[]): void {
  const text = csvOutput(TABLE).events(TABLE, events, AT);
  harmlessLines(text);
  const rows = readCsv(text);
  assert.equal(rows.length, events.length);
  rows.forEach((row, i) => {
    const values = valuesOf(events[i] as ConnectionEvent);
    assert.equal(row.length, values.length);
    row.forEach((cell, column) => {
      const value = values[column] ?? null;
      const isFormula = typeof value === "string" && FORMULA.test(value);
      assert.equal(cell, isFormula ? `'${value}` : String(value ?? ""));
    });
  });
}

function checkJson(events: readonly ConnectionEvent[]): void {
  const lines = harmlessLines(jsonOutput([]).events(TABLE, events, AT));
  assert.equal(lines.length, events.length);
  lines.forEach((line, i) => {
    const object = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(Object.keys(object), HEADER);
    assert.deepEqual(Object.values(object), valuesOf(events[i] as ConnectionEvent));
  });
}

/** Takes away what may colour a line, and nothing else. */
function withoutColor(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour begins with an escape
  const match = /^\x1b\[(?:2|32|33)m([^\x1b]*)\x1b\[0m$/.exec(line);
  return match?.[1] ?? line;
}

function checkText(events: readonly ConnectionEvent[], style: "human" | "raw", color: boolean): void {
  const lines = textOutput({ style, color }).events(TABLE, events, AT).split("\n");
  assert.equal(lines.pop(), "");
  assert.equal(lines.length, events.length);
  lines.forEach((colored, i) => {
    const line = withoutColor(colored);
    assertHarmless(line);
    // One word a column, so that columns can be counted by words.
    const [, , arrow, , proto, owner = "", state] = line.split(/ +/);
    const { row: connection } = events[i] as ConnectionEvent;
    assert.equal(arrow, "→");
    assert.equal(proto, connection.protocol);
    assert.equal(state, connection.state ?? "-");
    const name = connection.owner && sanitise(connection.owner.process).replaceAll(" ", "\\x20");
    assert.equal(owner, connection.owner ? `${name}[${connection.owner.pid}]` : "-");
    assert.ok(displayWidth(line) > 0);
  });
}

/** Everything else that a stream says. */
function checkRest(output: Output, choices: Choices): void {
  const info = {
    version: "0.0.0",
    backend: choices.text(32),
    kernel: choices.text(64),
    facts: new Map([["flows", { maxTcpFlows: choices.count(1e9), maxUdpFlows: null }]]),
    stepDowns: [{ backend: choices.text(16), reason: choices.text(64) }],
  };
  harmlessLines(output.start(info, AT)).forEach(assertHarmless);
  const summary = summaryOf(snapshotFrom(choices, null, NOW_NS));
  const skipped = { refreshesSkipped: choices.count(1e9), eventsSkipped: choices.count(1e9) };
  harmlessLines(output.summary(summary, skipped, AT));
  harmlessLines(output.warning(summary, skipped, AT));
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const style = choices.pick(["human", "raw"] as const);
    const color = choices.flag();
    const events: ConnectionEvent[] = [];
    while (!choices.isOver && events.length < 8) {
      const event = choices.pick(["open", "update", "close"] as const);
      events.push({ event, row: connectionOf(choices, events.length - 4, NOW_NS) });
    }
    checkCsv(events);
    checkJson(events);
    checkText(events, style, color);
    const again = new Choices(input);
    for (const output of [csvOutput(TABLE), jsonOutput([flowLens()]), textOutput({ style, color: false })])
      checkRest(output, again);
  },
  maxBytes: 1024,
};
