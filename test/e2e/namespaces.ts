/** Scenarios in network namespaces of their own: every row there is of an end that a program counted, or wrong. */
import { expect, type TestContext } from "vitest";
import {
  addresses,
  type backends,
  type FlowEnd,
  facts,
  type Row,
  startOrSkip,
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

/** The same for a scenario whose sockets are older than tcptop. */
export async function expectExistingRows(
  context: TestContext,
  [backend, required]: (typeof backends)[number],
  scenario: string,
): Promise<void> {
  const traffic = new Traffic(scenario, { existing: 1, hold: 1 });
  await traffic.ready();
  const tcptop = await startOrSkip(context, required, {}, backend, "--udp-timeout", "5");
  await tcptop.refreshed();
  traffic.go();
  await expectRows(tcptop, await traffic.ends(context), 0);
}
