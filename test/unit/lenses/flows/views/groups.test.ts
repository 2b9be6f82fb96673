import { expect, test } from "vitest";
import { groupConnections } from "../../../../../src/lenses/flows/views/groups.ts";
import { connection } from "../../../../support/connections.ts";

const owner = (pid: number, startNs: number | null, process = "curl") => ({
  ...{ pid, process, uid: 0, cgroupId: null, startNs },
});

test("processes that had the same number one after the other are groups of their own", () => {
  const rows = [owner(7, 100), owner(7, 200), owner(7, 100), owner(7, null), null].map((by, key) =>
    connection({ key, owner: by }),
  );
  const groups = groupConnections(rows, "processes");
  expect(groups.map(({ owner: by, connections }) => [by?.startNs, connections.length])).toEqual([
    [100, 2],
    [200, 1],
    [null, 1],
    [undefined, 1],
  ]);
  expect(new Set(groups.map(({ id }) => id)).size).toBe(4);
});

test("a host counts them as two", () => {
  const rows = [owner(7, 100), owner(7, 200), owner(7, 100, "renamed")].map((by, key) =>
    connection({ key, owner: by }),
  );
  expect(groupConnections(rows, "hosts").map(({ others }) => others)).toEqual([2]);
});
