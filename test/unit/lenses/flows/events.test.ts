import { describe, expect, test } from "vitest";
import { findColumn } from "../../../../src/lenses/flows/columns.ts";
import { EventSource } from "../../../../src/lenses/flows/events.ts";
import { connection, snapshot } from "../../../support/connections.ts";
import { refreshOf } from "../../../support/lenses.ts";

const short = connection({ key: 1, rateIn: 1, phase: { kind: "closing", closedNs: 4_000_000_000 } });
const fast = connection({ key: 2, rateIn: 100_000_000 });
const slow = connection({ key: 3, rateIn: 10, partial: true });
const refresh = refreshOf(snapshot({ opened: [short, slow], updated: [fast], closed: [short] }));

function listed(column: string | null, filter: ((row: { key: number }) => boolean) | null = null): string[] {
  const order = { column: (column !== null && findColumn(column)) || null, reverse: false };
  return new EventSource({ filter, order }).of(refresh).map((item) => `${item.event} ${item.row.key}`);
}

describe("the lines of a refresh", () => {
  test("come in the order of first sight, closes last", () => {
    expect(listed(null)).toEqual(["open 1", "open 3", "update 2", "close 1"]);
  });

  test("are sorted with opens and updates together, and a short connection still closes after its open", () => {
    expect(listed("rate_in")).toEqual(["update 2", "open 3", "open 1", "close 1"]);
  });

  test("leave out what the filter does", () => {
    expect(listed(null, ({ key }) => key === 1)).toEqual(["open 1", "close 1"]);
  });

  test("close a connection that has left the filter with what it was shown with last", () => {
    const owner = (pid: number) => ({ pid, process: "x", uid: null, cgroupId: null, startNs: null });
    const source = new EventSource({
      filter: (row) => row.owner?.pid === 7,
      order: { column: null, reverse: false },
    });
    const shown = connection({ key: 1, owner: owner(7), bytesOut: 1000, rateOut: 1000 });
    const end = { state: "CLOSE", phase: { kind: "closing", closedNs: 5 } } as const;
    source.of(refreshOf(snapshot({ opened: [shown] })));
    source.of(refreshOf(snapshot({ updated: [{ ...shown, owner: owner(8), bytesOut: 1400 }] })));
    const closed = [{ ...shown, ...end, owner: owner(8), bytesOut: 1500 }];
    expect(source.of(refreshOf(snapshot({ closed })))).toEqual([
      { event: "close", row: { ...shown, ...end, rateIn: 0, rateOut: 0 } },
    ]);
  });

  test("open a connection that the filter lets through late, and close it even when it no longer does", () => {
    const owner = (pid: number) => ({ pid, process: "x", uid: null, cgroupId: null, startNs: null });
    const source = new EventSource({
      filter: (row) => row.owner?.pid === 7,
      order: { column: null, reverse: false },
    });
    const told = (parts: Parameters<typeof snapshot>[0]) =>
      source.of(refreshOf(snapshot(parts))).map((item) => `${item.event} ${item.row.key}`);

    expect(told({ opened: [connection({ key: 1, owner: null })] })).toEqual([]);
    expect(told({ updated: [connection({ key: 1, owner: owner(7) })] })).toEqual(["open 1"]);
    expect(told({ updated: [connection({ key: 1, owner: owner(7) })] })).toEqual(["update 1"]);
    expect(told({ updated: [connection({ key: 1, owner: owner(8) })] })).toEqual([]);
    expect(told({ closed: [connection({ key: 1, owner: owner(8) })] })).toEqual(["close 1"]);
    expect(told({ closed: [connection({ key: 2, owner: owner(8) })] })).toEqual([]);
    expect(told({ closed: [connection({ key: 3, owner: owner(7) })] })).toEqual(["open 3", "close 3"]);
  });
});
