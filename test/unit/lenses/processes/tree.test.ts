/** The process tree: what stands under what, sums, folds, filter and details. */
import { describe, expect, test } from "vitest";
import { lineText } from "../../../../src/core/cells.ts";
import type { Refresh } from "../../../../src/core/refresh.ts";
import { FLOWS } from "../../../../src/lenses/flows/snapshot.ts";
import { NO_LOSSES } from "../../../../src/lenses/processes/losses.ts";
import { ProcessModel } from "../../../../src/lenses/processes/model.ts";
import { PROCESSES } from "../../../../src/lenses/processes/snapshot.ts";
import { treeView } from "../../../../src/lenses/processes/views/tree.ts";
import { connection } from "../../../support/connections.ts";
import { type ProcessFields, processRecord } from "../../../support/processes.ts";

const NS_PER_MS = 1e6;
const NOW_NS = 2e9;
const VIEW = treeView(false);
const BY_PID = { key: "pid", reverse: false };

function owner(pid: number, name: string) {
  return { pid, process: name, uid: 0, cgroupId: 1n, startNs: pid * NS_PER_MS };
}

const RECORDS: readonly ProcessFields[] = [
  { kind: "found", pid: 1, ppid: 0, timeMs: 1, ageMs: 1, name: "systemd", memoryBytes: 1000n },
  { kind: "found", pid: 10, ppid: 1, timeMs: 1, ageMs: 1, name: "sshd", memoryBytes: 1000n },
  { kind: "fork", pid: 20, ppid: 10, timeMs: 5, name: "bash" },
  { kind: "fork", pid: 30, ppid: 20, timeMs: 6, name: "bash" },
  {
    kind: "exec",
    pid: 30,
    ppid: 20,
    timeMs: 7,
    name: "curl",
    words: ["curl", "http://x"],
    executable: "/usr/bin/curl",
  },
  { kind: "fork", pid: 40, ppid: 1, timeMs: 8, name: "evil\u001b[2J" },
  { kind: "exit", pid: 20, ppid: 10, timeMs: 9, name: "bash" },
];

/** systemd → sshd → (bash, ended) → curl, which has two connections. */
function refresh(): Refresh {
  const model = new ProcessModel({ startNs: 0 });
  model.apply({ kind: "records", bytes: Buffer.concat(RECORDS.map(processRecord)) });
  model.refresh(1e9, NO_LOSSES);
  const snapshot = model.refresh(NOW_NS, NO_LOSSES);
  const connections = [
    connection({ key: 1, owner: owner(30, "curl"), rateIn: 100, rateOut: 10, bytesIn: 1000, bytesOut: 50 }),
    connection({ key: 2, owner: owner(30, "curl"), rateIn: 1, rateOut: 2, bytesIn: 3, bytesOut: 4 }),
    connection({ key: 3, owner: owner(10, "sshd"), rateIn: 5, rateOut: 5, bytesIn: 5, bytesOut: 5 }),
    connection({ key: 4, owner: null }),
  ];
  const flows = { timeNs: NOW_NS, intervalS: 1, connections } as never;
  const at = { nowNs: NOW_NS, wallMs: 0 };
  return { at, snapshots: new Map([[PROCESSES.lens, snapshot], ...FLOWS.alone(at, flows).snapshots]) };
}

function listed(words = "", folded: readonly string[] = [], order = BY_PID) {
  const items = VIEW.passing(VIEW.items(refresh()), words);
  return VIEW.list(items, NOW_NS, { order, frozen: null, isUnfolded: (id) => !folded.includes(String(id)) });
}

function texts(list = listed()) {
  const columns = VIEW.columns(list, { isWide: false, numbers: "rates", style: "raw" });
  const scale = { style: "raw", nowNs: NOW_NS, describe: () => null } as const;
  return list.rows.map((row) => columns.map((column) => column.show(row, scale, 40).text).slice(1, 5));
}

describe("the process tree", () => {
  test("puts processes under the nearest one above that lives, with the sums of all under each", () => {
    expect(texts()).toEqual([
      ["systemd", "3", "106 B/s", "17 B/s"],
      ["  sshd", "3", "106 B/s", "17 B/s"],
      [expect.stringMatching(/^ {4}tcp :/), "", "5 B/s", "5 B/s"],
      ["    curl", "2", "101 B/s", "12 B/s"],
      [expect.stringMatching(/^ {6}tcp :/), "", "100 B/s", "10 B/s"],
      [expect.stringMatching(/^ {6}tcp :/), "", "1 B/s", "2 B/s"],
      ["  evil\\x1b[2J", "0", "0 B/s", "0 B/s"],
    ]);
  });

  test("folds, and says what can be unfolded", () => {
    const sshd = listed().rows.find(({ item }) => item.kind === "process" && item.process.name === "sshd");
    if (sshd === undefined) throw new Error("no sshd");
    const list = listed("", [String(VIEW.idOf(sshd))]);
    expect(texts(list).map(([name]) => name)).toEqual(["systemd", "  sshd", "  evil\\x1b[2J"]);
    expect(list.rows.map((row) => VIEW.isFoldable(row))).toEqual([true, true, false]);
    expect(VIEW.markOf(sshd, true).text).toBe("▾");
  });

  test("is sorted among siblings, and shows what matches with all above it", () => {
    const names = (list = listed()) =>
      list.rows.flatMap(({ item }) => (item.kind === "process" ? item.process.name.slice(0, 4) : []));
    expect(names(listed("", [], { key: "rate_in", reverse: false }))).toEqual([
      "syst",
      "sshd",
      "curl",
      "evil",
    ]);
    expect(names(listed("", [], { key: "rate_in", reverse: true }))).toEqual([
      "syst",
      "evil",
      "sshd",
      "curl",
    ]);
    expect(names(listed("http://x"))).toEqual(["syst", "sshd", "curl"]);
    expect(names(listed("nothing has this"))).toEqual([]);
    expect(VIEW.passing(VIEW.items(refresh()), "http://x")).toHaveLength(5);
  });

  test("details name the whole ancestry, also of what has ended", () => {
    const curl = VIEW.items(refresh()).find(
      (item) => item.kind === "process" && item.process.name === "curl",
    );
    if (curl === undefined) throw new Error("no curl");
    const facts = {
      nowNs: NOW_NS,
      isGone: false,
      past: null,
      describe: () => null,
      isReplay: false,
      style: "human",
    } as const;
    const lines = VIEW.details(curl, facts, { columns: 80, rows: 20 }).map((line) =>
      lineText(line).trimEnd(),
    );
    expect(lines).toContain(" Started by   systemd → sshd → bash → curl");
    expect(lines).toContain(" Command      curl http://x");
    expect(VIEW.details(curl, facts, { columns: 80, rows: 3 })).toHaveLength(3);
  });
});
