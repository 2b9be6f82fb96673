import { describe, expect, test } from "vitest";
import type { Connection } from "../../../../src/lenses/flows/connection.ts";
import { History } from "../../../../src/lenses/flows/history.ts";
import { connection, snapshot } from "../../../support/connections.ts";

function moved(rateIn: number, rateOut: number, srttUs: number | null = null): Connection {
  const tcp = { srttUs, rttvarUs: null, minRttUs: null, retransmits: 0, bytesRetrans: 0, sndCwnd: null };
  return connection({ key: 1, rateIn, rateOut, tcp });
}

/** A history of refreshes, in each of which the connection was updated, or (null) did not change. */
function historyOf(...refreshes: (Connection | null)[]): History {
  const history = new History();
  for (const row of refreshes) history.record(snapshot({ updated: row === null ? [] : [row] }));
  return history;
}

describe("a connection's series", () => {
  test("begins with what it first moved; what did not change is silence at the same round-trip time", () => {
    const history = historyOf(null, moved(5, 1, 900), null, null, moved(7, 0, 300), moved(0, 0, 300));
    expect(history.seriesOf(1)).toEqual({
      rateIn: [0, 5, 0, 0, 7, 0],
      rateOut: [0, 1, 0, 0, 0, 0],
      rttUs: [0, 900, 900, 900, 300, 300],
    });
  });

  test("reaches back a minute of refreshes", () => {
    const history = historyOf(...Array.from({ length: 100 }, (_, i) => moved(i + 1, 0, i + 1)));
    const { rateIn, rttUs } = history.seriesOf(1);
    expect([rateIn.length, rateIn[0], rateIn.at(-1), rttUs[0]]).toEqual([60, 41, 100, 41]);
  });

  test("goes silent after a minute without movement, and can begin anew", () => {
    const pause = Array.from({ length: 70 }, () => null);
    const history = historyOf(moved(5, 0, 100), ...pause, moved(9, 0, 200));
    const { rateIn, rttUs } = history.seriesOf(1);
    expect([rateIn.slice(0, -1).every((rate) => rate === 0), rateIn.at(-1)]).toEqual([true, 9]);
    expect(rttUs.at(-1)).toBe(200);
  });

  test("of one that never moved is empty of values", () => {
    const history = historyOf(moved(0, 0, 100), null);
    expect(history.seriesOf(1)).toEqual({ rateIn: [0, 0], rateOut: [0, 0], rttUs: [0, 0] });
    expect(history.seriesOf(2).rateIn).toEqual([0, 0]);
  });
});

test("a copy stays as it was", () => {
  const history = historyOf(moved(5, 1, 900));
  const copy = history.copy();
  history.record(snapshot({ updated: [moved(7, 0, 300)] }));
  expect(copy.seriesOf(1)).toEqual({ rateIn: [5], rateOut: [1], rttUs: [900] });
  expect(history.seriesOf(1).rateIn).toEqual([5, 7]);
});
