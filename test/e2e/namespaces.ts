/** Scenarios in network namespaces of their own: every row there is of an end that a program counted, or wrong. */
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import {
  addresses,
  cannotRun,
  type FlowEnd,
  facts,
  type Row,
  type SharedTcptop,
  type Tcptop,
  Traffic,
} from "./harness.ts";

/**
 * The rows in the network namespaces of these ends that opened from number `since` on. A namespace of an earlier
 * scenario may have had the same number, and flows that end only now.
 */
export function rowsAround(tcptop: Tcptop, ends: readonly FlowEnd[], since: number): Row[] {
  const namespaces = new Set(ends.map(({ netns }) => netns));
  const rows = tcptop.rows.slice(since).filter(({ netns }) => namespaces.has(netns));
  const opened = new Set(addresses(rows.filter(({ event }) => event === "open")));
  return rows.filter((row) => addresses([row]).some((address) => opened.has(address)));
}

/** Waits until each end has its `close`, and one refresh longer; the rows there by event. */
export async function eventsAround(
  tcptop: Tcptop,
  ends: readonly FlowEnd[],
  since: number,
): Promise<{ readonly opens: Row[]; readonly closes: Row[] }> {
  const events = (name: Row["event"]) =>
    rowsAround(tcptop, ends, since).filter(({ event }) => event === name);
  await tcptop.until(() => events("close").length >= ends.length);
  await tcptop.refreshed();
  return { opens: events("open"), closes: events("close") };
}

/** Every end has one row, and nothing else in its network namespace has one. */
export async function expectRows(tcptop: Tcptop, ends: readonly FlowEnd[], since: number): Promise<void> {
  const { opens, closes } = await eventsAround(tcptop, ends, since);
  expect(facts(closes)).toEqual(facts(ends));
  expect(addresses(opens)).toEqual(addresses(ends));
}

type Scenario = readonly [title: string, scenario: string, args?: Readonly<Record<string, number>>];

/** The tcptop of a block that starts when the sockets of these scenarios exist. */
export function startedAfter(scenarios: readonly Scenario[], shared: SharedTcptop) {
  const traffic = new Map<string, Traffic>();
  return {
    /** For beforeAll, in the place of the tcptop's own. */
    async open(): Promise<void> {
      if (cannotRun !== null) return shared.open();
      for (const [, scenario, args] of scenarios) {
        traffic.set(scenario, new Traffic(scenario, { ...args, existing: 1, hold: 1 }));
      }
      await Promise.all(Array.from(traffic.values(), (one) => one.ready()));
      await shared.open();
      await shared.settled();
      for (const one of traffic.values()) one.go();
    },
    async ends(scenario: string, context: TestContext): Promise<FlowEnd[]> {
      const one = traffic.get(scenario);
      if (!one) throw new Error(`${scenario} does not run`);
      return one.ends(context);
    },
    async expectRows(scenario: string, context: TestContext): Promise<void> {
      await expectRows(shared.use(context), await this.ends(scenario, context), 0);
    },
    /** For afterAll. */
    async close(): Promise<void> {
      for (const one of traffic.values()) one.release();
      await shared.close();
    },
  };
}

/** The tests of scenarios whose sockets are made under the tcptop of a block, and before it starts. */
export function testUnderAndBefore(scenarios: readonly Scenario[], shared: SharedTcptop): void {
  const older = startedAfter(scenarios, shared);
  beforeAll(older.open);
  afterAll(older.close);

  for (const [title, scenario] of scenarios) {
    test.concurrent(`${title}, made under tcptop (${scenario})`, async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      const traffic = new Traffic(scenario, { hold: 1 });
      await traffic.ready();
      await tcptop.refreshed();
      await tcptop.refreshed();
      traffic.go();
      await expectRows(tcptop, await traffic.ends(context), since);
    });

    test.concurrent(`${title}, older than tcptop (${scenario})`, (context) =>
      older.expectRows(scenario, context));
  }
}
