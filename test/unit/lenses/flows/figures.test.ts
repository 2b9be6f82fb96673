import { expect, test } from "vitest";
import type { Connection } from "../../../../src/lenses/flows/connection.ts";
import { Figures } from "../../../../src/lenses/flows/figures.ts";
import type { Accept } from "../../../../src/lenses/flows/filter.ts";
import { NO_LOSSES } from "../../../../src/lenses/flows/losses.ts";
import type { Snapshot } from "../../../../src/lenses/flows/snapshot.ts";
import { PAST_LENGTH } from "../../../../src/lenses/flows/tallies.ts";
import { flowViews } from "../../../../src/lenses/flows/views/views.ts";
import { connection, snapshot } from "../../../support/connections.ts";
import { snapshotOf } from "../../../support/crowd.ts";
import { refreshOf } from "../../../support/lenses.ts";

const at443 = (fields: Partial<Connection>) => connection({ key: 1, bytesIn: 0, bytesOut: 0, ...fields });
const at80 = (fields: Partial<Connection>) =>
  at443({ key: 2, remote: { address: "192.0.2.80", port: 80 }, rateIn: 0, rateOut: 0, ...fields });

const to80: Accept = ({ remote }) => remote.port === 80;

/** As the screen asks for them. */
function tallies(figures: Figures, words: string, now: Snapshot, accept: Accept | null = null) {
  const [view] = flowViews(accept);
  const refresh = refreshOf(now);
  return figures.talliesOf({ words, refresh, passing: view?.passing(now.connections, words) ?? [] });
}

test("without a filter what is shown is the machine", () => {
  const figures = new Figures(null);
  const now = snapshotOf([at443({ rateIn: 7 }), at80({ rateIn: 1 })]);
  figures.record(refreshOf(now));
  const { shown, machine } = tallies(figures, "", now);
  expect(machine).toBeNull();
  expect([shown.totals, shown.counts, shown.pastIn]).toEqual([now.totals, now.counts, [8]]);
  expect(tallies(figures, "  ", now).machine).toBeNull();
});

test("the command line's filter has its own past, that of the screen begins when it is set", () => {
  const figures = new Figures(to80);
  const refresh = (one: number, other: number) => {
    const now = snapshotOf([at443({ rateIn: one }), at80({ rateIn: other })], { intervalS: 1 });
    figures.record(refreshOf({ ...now, updated: now.connections }));
    return now;
  };
  refresh(500, 30);
  const second = refresh(600, 40);
  expect(tallies(figures, "", second, to80)).toMatchObject({
    shown: { pastIn: [30, 40], counts: { tcp: 1 } },
    machine: { pastIn: [530, 640], counts: { tcp: 2 } },
  });
  expect(tallies(figures, "curl", second, to80).shown.pastIn).toEqual([40]);
  const third = refresh(700, 50);
  expect(tallies(figures, "curl", third, to80).shown.pastIn).toEqual([40, 50]);
  expect(tallies(figures, "443", third, to80).shown).toMatchObject({ pastIn: [0], counts: { tcp: 0 } });
  expect(tallies(figures, "", third, to80).shown.pastIn).toEqual([30, 40, 50]);
});

test("connections that came are counted where they pass, gone ones too", () => {
  const figures = new Figures(({ remote }) => remote.port === 80);
  const gone = { kind: "closing", closedNs: 1 } as const;
  const opened = [
    at443({ phase: { kind: "new" } }),
    at80({ phase: gone }),
    at80({ phase: gone, partial: true }),
  ];
  const now = snapshot({ connections: opened, opened, closed: opened.slice(1) });
  figures.record(refreshOf(now));
  const { shown, machine } = tallies(figures, "", now);
  expect([shown.fresh, machine?.fresh]).toEqual([1, 2]);
});

test("the past is as long as the longest graph", () => {
  const figures = new Figures(null);
  const refreshes = Array.from({ length: PAST_LENGTH + 5 }, (_, i) => snapshotOf([at443({ rateIn: i })]));
  for (const refresh of refreshes) figures.record(refreshOf(refresh));
  const { pastIn } = tallies(figures, "", snapshot()).shown;
  expect([pastIn.length, pastIn[0], pastIn.at(-1)]).toEqual([PAST_LENGTH, 5, PAST_LENGTH + 4]);
});

test("frozen figures stay, whatever is recorded later", () => {
  const figures = new Figures(() => true, "curl");
  const losses = { ...NO_LOSSES, closesLost: 1 };
  const first = snapshotOf([at443({ rateIn: 5 })]);
  figures.record(refreshOf({ ...first, updated: first.connections }));
  const frozen = figures.freeze();
  const before = [frozen.losses, frozen.pastOf(at443({})), tallies(frozen, "curl", first)];
  const second = snapshotOf([at443({ rateIn: 9 })], { losses });
  figures.record(refreshOf({ ...second, updated: second.connections }));
  expect([frozen.losses, frozen.pastOf(at443({})), tallies(frozen, "curl", first)]).toEqual(before);
  expect(figures.losses).toMatch(/^incomplete, last at .*: 1 connection ended without final totals$/);
  expect(figures.pastOf(at443({})).rateIn).toEqual([5, 9]);
  expect(tallies(figures, "curl", second).shown.pastIn).toEqual([5, 9]);
});
