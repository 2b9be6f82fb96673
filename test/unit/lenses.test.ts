/** What every lens has to keep, so that no two are in each other's way. */
import { expect, test } from "vitest";
import type { OptionAdder, OptionSpec } from "../../src/core/options.ts";
import { LENSES, LOSS_COUNTERS } from "../../src/lenses.ts";
import { bells } from "../support/toy-lens/lens.ts";

const ALL = [...LENSES, bells];

/** The flags of a lens's options; none is given. */
function optionsOf(lens: (typeof ALL)[number]) {
  const flags: string[] = [];
  const note = ({ flags: some, group }: OptionSpec) => {
    if (group === "own") expect([lens.id, lens.heading]).toEqual([lens.id, expect.stringMatching(/:$/)]);
    flags.push(...some.split(/[ ,]+/).filter((word) => word.startsWith("-")));
  };
  const add: OptionAdder = { flag: note, value: note, list: note };
  return { settings: lens.options(add), flags };
}

const loaded = await Promise.all(
  ALL.map(async (lens) => {
    const { settings, flags } = optionsOf(lens);
    const parts = (await lens.load()).parts(settings);
    const shown = (await (lens.loadShown?.() ?? lens.load())).parts(settings);
    return { lens, flags, parts, shown };
  }),
);

function expectDistinct(names: readonly (string | number)[]): void {
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
}

test("names, numbers, options, tables, events, views and switches are those of one lens alone", () => {
  expectDistinct(ALL.map(({ id }) => id));
  expectDistinct(ALL.map(({ number }) => number));
  expectDistinct(loaded.flatMap(({ flags }) => flags));
  const tables = loaded.flatMap(({ parts }) => parts.tables);
  expectDistinct(tables.map(({ id }) => id));
  expectDistinct(["start", "summary", ...tables.flatMap(({ events }) => Object.keys(events))]);
  const views = loaded.flatMap(({ parts }) => parts.views);
  expectDistinct(views.map(({ id }) => id));
  expectDistinct(views.map(({ title }) => title));
  expectDistinct(loaded.flatMap(({ parts }) => parts.switches.map(({ key }) => key)));
  expectDistinct(LOSS_COUNTERS.map(({ key }) => key));
});

test.each(loaded)("what is known of $lens.id beforehand is true of it", ({ lens, parts, shown }) => {
  expect([parts.id, parts.tables.map(({ id }) => id)]).toEqual([lens.id, lens.tables]);
  expect(shown.tables.map(({ id }) => id)).toEqual(lens.tables);
  expect(shown.views.map(({ id }) => id)).toEqual(parts.views.map(({ id }) => id));
  for (const key of lens.sortKeys) expect([key, lens.sortKey(key)]).toEqual([key, key]);
  expect(lens.sortKey("no such column")).toBeNull();
});

test.each(loaded)("the columns of $lens.id are in the order of the versions that added them", ({ parts }) => {
  for (const { columns, version } of parts.tables) {
    const since = columns.map((column) => column.since ?? 1);
    expect(since).toEqual(since.toSorted((a, b) => a - b));
    expect(since.at(-1)).toBe(version);
    expectDistinct(["time", "event", ...columns.map(({ key }) => key)]);
  }
});
