import { describe, expect, test } from "vitest";
import type { TableEvent } from "../../../src/core/table.ts";
import type { ConnectionEvent } from "../../../src/lenses/flows/events.ts";
import { Backlog } from "../../../src/sinks/backlog.ts";
import { connection } from "../../support/connections.ts";
import { flowsTable } from "../../support/lenses.ts";

const event = (kind: ConnectionEvent["event"], key: number, bytesIn = 0): ConnectionEvent => ({
  event: kind,
  row: connection({ key, bytesIn }),
});

function told(events: readonly TableEvent[]): string[] {
  return events.map(
    ({ event, row }) => `${event} ${"key" in row && row.key} ${"bytesIn" in row && row.bytesIn}`,
  );
}

describe("what waits for a slow reader", () => {
  test("is nothing to begin with: a refresh passes through as it is", () => {
    const events = [event("update", 1), event("close", 2), event("open", 3)];
    expect(new Backlog(flowsTable()).takeWith(events)).toBe(events);
  });

  test("is the latest of each connection, its open and its close", () => {
    const backlog = new Backlog(flowsTable());
    expect(
      backlog.add([event("open", 1, 1), event("update", 2, 10), event("open", 3, 5), event("close", 3, 5)]),
    ).toBe(0);
    expect(backlog.add([event("update", 1, 2), event("update", 2, 20)])).toBe(0);
    expect(
      told(backlog.takeWith([event("update", 2, 30), event("close", 1, 4), event("open", 4, 7)])),
    ).toEqual(["open 1 2", "update 2 30", "open 3 5", "open 4 7", "close 3 5", "close 1 4"]);
    expect(backlog.takeWith([])).toEqual([]);
  });

  test("keeps events that stand alone as they are, and counts each against the limit", () => {
    const events = { ...flowsTable().events, rang: "stands" } as const;
    const backlog = new Backlog({ ...flowsTable(), events }, 4);
    const rang = (key: number) => ({ event: "rang", row: connection({ key, bytesIn: 0 }) });
    expect(backlog.add([rang(1), event("open", 1), rang(1), event("update", 1, 5), rang(2), rang(1)])).toBe(
      1,
    );
    expect(told(backlog.takeWith([rang(1), event("close", 1, 6)]))).toEqual([
      ...["rang 1 0", "open 1 5", "rang 1 0", "rang 2 0", "rang 1 0", "close 1 6"],
    ]);
  });

  test("has a limit, beyond which events are counted, but news of what is held and the last refresh get in", () => {
    const backlog = new Backlog(flowsTable(), 2);
    expect(backlog.add([event("open", 1, 1), event("close", 2), event("open", 3), event("close", 1)])).toBe(
      2,
    );
    expect(backlog.add([event("update", 1, 9), event("update", 4)])).toBe(1);
    expect(told(backlog.takeWith([event("open", 5)]))).toEqual(["open 1 9", "open 5 0", "close 2 0"]);
  });
});
