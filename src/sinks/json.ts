/** The stream as JSON lines: one self-contained object a line, every event and every loss counter. */
import type { Moment } from "../base/clock.ts";
import { sanitise } from "../base/sanitise.ts";
import type { Cell } from "../core/column.ts";
import { lossesOf, type Skipped, STREAM_COUNTERS } from "../core/losses.ts";
import { momentOf, type Table, type TableEvent } from "../core/table.ts";
import type { Privileges } from "../platform/platform.ts";
import { isoTime, type LensSummary, lossMembers, type Output, type StartInfo } from "./output.ts";

function encode(cell: Cell): string {
  return typeof cell === "string" ? JSON.stringify(cell) : String(cell);
}

/** Makes lines of events. JSON.stringify of an object makes the same text in almost twice the time. */
function lineWriter({ columns }: Table): (item: TableEvent, time: string, at: Moment) => string {
  const fields = columns.map((field) => ({ field, prefix: `,${JSON.stringify(field.key)}:` }));
  return (item, time, at) => {
    const { event, row, timeNs } = item;
    const members = fields.map(({ field, prefix }) => prefix + encode(field.value(row, at.nowNs)));
    const own = timeNs === undefined ? time : isoTime(momentOf(item, at));
    return `{"time":"${own}","event":"${event}"${members.join("")}}\n`;
  };
}

/** What is said of a lens at the start. */
export interface JsonLens {
  readonly id: string;
  startMembers(facts: object | undefined): object;
}

/** Members of the first lens stand in the line itself, those of another in an object by its id. */
function membersOf(lenses: readonly (readonly [lens: string, members: object])[]): object {
  const [first, ...others] = lenses;
  return { ...first?.[1], ...Object.fromEntries(others) };
}

function privilegesObject(privileges: Privileges): object {
  return {
    uid: privileges.uid,
    capabilities: privileges.capabilities,
    no_new_privs: privileges.hasNoNewPrivs,
    landlock: privileges.hasLandlock,
    seccomp: privileges.hasSeccomp,
    broker_capabilities: privileges.brokerCapabilities,
  };
}

function startObject(
  { version, backend, kernel, stepDowns, facts, privileges }: StartInfo,
  lenses: readonly JsonLens[],
): object {
  return {
    version,
    backend: sanitise(backend),
    kernel: sanitise(kernel),
    step_downs: stepDowns.map((step) => ({ backend: sanitise(step.backend), reason: sanitise(step.reason) })),
    ...membersOf(lenses.map((lens) => [lens.id, lens.startMembers(facts.get(lens.id))] as const)),
    ...(privileges ? { privileges: privilegesObject(privileges) } : {}),
  };
}

/** Sums of what the filter lets through, and as `machine_...` those of everything. */
function lensMembers({ shown, everything, losses }: LensSummary, skipped: object): object {
  const machine = Object.entries(everything).map(([name, value]) => [`machine_${name}`, value]);
  return { ...shown, ...lossMembers(losses), ...skipped, ...Object.fromEntries(machine) };
}

function summaryObject(lenses: readonly LensSummary[], skipped: Skipped): object {
  const counts = lossMembers(lossesOf(STREAM_COUNTERS, skipped));
  return {
    interval_s: Math.round((lenses[0]?.intervalS ?? 0) * 1000) / 1000,
    ...membersOf(lenses.map((one, i) => [one.lens, lensMembers(one, i === 0 ? counts : {})] as const)),
  };
}

function line(event: string, at: Moment, members: object): string {
  return `${JSON.stringify({ time: isoTime(at), event, ...members })}\n`;
}

export function jsonOutput(lenses: readonly JsonLens[]): Output {
  const writers = new Map<Table, ReturnType<typeof lineWriter>>();
  return {
    start: (info, at) => line("start", at, startObject(info, lenses)),
    events(table, events, at) {
      const time = isoTime(at);
      const write = writers.get(table) ?? lineWriter(table);
      writers.set(table, write);
      return events.map((event) => write(event, time, at)).join("");
    },
    summary: (summaries, skipped, at) => line("summary", at, summaryObject(summaries, skipped)),
    warning: () => "",
  };
}
