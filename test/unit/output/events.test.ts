import { describe, expect, test } from "vitest";
import { eventsOf } from "../../../src/output/events.ts";
import { findColumn } from "../../../src/view/columns.ts";
import { connection, snapshot } from "../../support/connections.ts";

const short = connection({ key: 1, rateIn: 1, phase: { kind: "closing", closedNs: 4_000_000_000 } });
const fast = connection({ key: 2, rateIn: 100_000_000 });
const slow = connection({ key: 3, rateIn: 10, partial: true });
const refresh = snapshot({ opened: [short, slow], updated: [fast], closed: [short] });

function listed(column: string | null, filter: ((row: { key: number }) => boolean) | null = null): string[] {
  const order = { column: (column !== null && findColumn(column)) || null, reverse: false };
  return eventsOf(refresh, { filter, order }).map((item) => `${item.event} ${item.connection.key}`);
}

describe("the lines of a refresh", () => {
  test("come in the order of first sight, closes last", () => {
    expect(listed(null)).toEqual(["open 1", "open 3", "update 2", "close 1"]);
  });

  test("are sorted with opens and updates together, and a short connection still closes after its open", () => {
    expect(listed("rate_in")).toEqual(["update 2", "open 3", "open 1", "close 1"]);
  });

  test("leave out what the filter does", () => {
    expect(listed(null, ({ key }) => key !== 1)).toEqual(["open 3", "update 2"]);
  });
});
