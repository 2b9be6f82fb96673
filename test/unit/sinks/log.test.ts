import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { reopenedByHangup } from "../../../src/app/hangup.ts";
import { ExitError } from "../../../src/base/errors.ts";
import type { Files } from "../../../src/base/output-file.ts";
import { systemFiles } from "../../../src/cli/files.ts";
import type { Refresh } from "../../../src/core/refresh.ts";
import type { Policy, Sink } from "../../../src/core/sink.ts";
import type { Connection } from "../../../src/lenses/flows/connection.ts";
import type { Snapshot } from "../../../src/lenses/flows/snapshot.ts";
import { csvHeaders } from "../../../src/sinks/csv.ts";
import { FanOut } from "../../../src/sinks/fan-out.ts";
import { Log } from "../../../src/sinks/log.ts";
import { LogFile } from "../../../src/sinks/log-file.ts";
import { connection, snapshot } from "../../support/connections.ts";
import { flowsTable, NO_ORDER, refreshOf } from "../../support/lenses.ts";
import { FakeWorld, systemError } from "../../support/world.ts";

const HEADERS = csvHeaders(flowsTable());
const NO_SPACE = "ENOSPC: no space left on device";

let folder = "";
let path = "";
let log: Log | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tcptop-log-"));
  path = join(folder, "log.csv");
});
afterEach(() => {
  log?.close();
  rmSync(folder, { recursive: true });
});

/** A disk that is full while `isFull`. */
const disk = { isFull: false };

function openLog(endsOnFailure: boolean, options: Partial<{ filter: (c: Connection) => boolean }> = {}): Log {
  disk.isFull = false;
  const files: Files = {
    ...systemFiles,
    lock: () => true,
    write(fd, bytes, from) {
      if (disk.isFull) throw systemError("ENOSPC", `${NO_SPACE}, write`);
      return systemFiles.write(fd, bytes, from);
    },
  };
  const file = new LogFile(files, path, { headers: HEADERS, wallMs: () => 0, inUse: [], tell: () => {} });
  file.open(false);
  log = new Log(file, { table: flowsTable(options.filter), order: NO_ORDER, endsOnFailure });
  return log;
}

function look(fields: Partial<Snapshot> = {}): Refresh {
  return refreshOf(snapshot(fields));
}

function flow(key: number, bytesIn: number): Connection {
  return connection({ key, bytesIn, local: { address: "192.0.2.1", port: key } });
}

/** Event, local port and bytes in of each row. */
function rows(at = path): string[] {
  const [header, ...lines] = readFileSync(at, "utf8").split("\n").slice(0, -1);
  expect(`${header}\n`).toBe(HEADERS.current);
  return lines.map((line) => {
    const cells = line.split(",");
    return [cells[1], cells[4], cells[10]].join(" ");
  });
}

describe("a log", () => {
  test("has the rows of every refresh as soon as it is recorded", () => {
    const it = openLog(true);
    it.refresh(look({ opened: [flow(1, 10)] }));
    expect(rows()).toEqual(["open 1 10"]);
    it.refresh(look({ opened: [flow(2, 5)], updated: [flow(1, 20)], closed: [flow(2, 5)] }));
    expect(rows()).toEqual(["open 1 10", "open 2 5", "update 1 20", "close 2 5"]);
    expect([it.warning, it.error, it.hasEnded]).toEqual(["", null, false]);
  });

  test("has the header, even if nothing happens", () => {
    openLog(true).refresh(look());
    expect(rows()).toEqual([]);
  });

  test("follows the command line's filter", () => {
    openLog(true, { filter: ({ local }) => local.port === 2 }).refresh(
      look({ opened: [flow(1, 10), flow(2, 5)] }),
    );
    expect(rows()).toEqual(["open 2 5"]);
  });
});

describe("beside the stream, a failure", () => {
  test("ends it, once, with what was written before", () => {
    const it = openLog(true);
    let ends = 0;
    it.onEnd(() => ends++);
    it.refresh(look({ opened: [flow(1, 10)] }));
    disk.isFull = true;
    it.refresh(look({ updated: [flow(1, 20)] }));
    expect([it.hasEnded, ends]).toEqual([true, 1]);
    expect(it.error).toEqual(new ExitError(74, `cannot write to ${path}: ${NO_SPACE}`));
    disk.isFull = false;
    it.refresh(look({ updated: [flow(1, 30)] }));
    it.reopen();
    it.close();
    expect([rows(), ends, it.error?.exitCode]).toEqual([["open 1 10"], 1, 74]);
  });

  test("at reopening ends it, too, with 73 for a file that is not ours", () => {
    const it = openLog(true);
    let ends = 0;
    it.onEnd(() => ends++);
    it.refresh(look({ opened: [flow(1, 10)] }));
    renameSync(path, `${path}.1`);
    writeFileSync(path, "notes\n");
    it.reopen();
    expect([it.error?.exitCode, ends, it.hasEnded]).toEqual([73, 1, true]);
    expect([readFileSync(path, "utf8"), rows(`${path}.1`)]).toEqual(["notes\n", ["open 1 10"]]);
  });
});

describe("beside the screen, a failure", () => {
  test("is told with the rows that are missing, and the latest of them come when it works again", () => {
    const it = openLog(false);
    it.refresh(look({ opened: [flow(1, 10), flow(2, 5)] }));
    disk.isFull = true;
    it.refresh(look({ updated: [flow(1, 20)], closed: [flow(2, 6)] }));
    expect(it.warning).toBe(`2 rows not written: cannot write to ${path}: ${NO_SPACE}`);
    it.refresh(look({ updated: [flow(1, 30)], opened: [flow(3, 1)], closed: [flow(3, 1)] }));
    expect(it.warning).toBe(`5 rows not written: cannot write to ${path}: ${NO_SPACE}`);
    expect([rows(), it.hasEnded]).toEqual([["open 1 10", "open 2 5"], false]);

    disk.isFull = false;
    it.refresh(look({ updated: [flow(1, 40)] }));
    expect(rows().slice(2)).toEqual(["update 1 40", "open 3 1", "close 2 6", "close 3 1"]);
    expect(it.warning).toBe("2 rows not written: it works again");
    it.close();
    expect(it.error).toEqual(
      new ExitError(74, `2 rows of the log not written: cannot write to ${path}: ${NO_SPACE}`),
    );
  });

  test("that cost no row in the end is forgotten", () => {
    const it = openLog(false);
    it.refresh(look({ opened: [flow(1, 10)] }));
    disk.isFull = true;
    it.refresh(look({ updated: [flow(1, 20)], closed: [flow(2, 1)] }));
    disk.isFull = false;
    it.refresh(look());
    expect(rows()).toEqual(["open 1 10", "update 1 20", "close 2 1"]);
    expect([it.warning, it.error]).toEqual(["", null]);
  });

  test("that lasts until the end is 74", () => {
    const it = openLog(false);
    disk.isFull = true;
    it.refresh(look({ opened: [flow(1, 10)] }));
    it.close();
    expect(it.error?.message).toBe(`1 row of the log not written: cannot write to ${path}: ${NO_SPACE}`);
    expect(it.error?.exitCode).toBe(74);
  });

  test("keeps its memory, whatever happens meanwhile", () => {
    const it = openLog(false);
    it.refresh(look());
    disk.isFull = true;
    const many = (from: number) => Array.from({ length: 9_000 }, (_, i) => flow(from + i, i));
    for (let i = 0; i < 4; i++) it.refresh(look({ opened: many(i * 9_000) }));
    disk.isFull = false;
    it.refresh(look({ updated: [flow(0, 77)] }));
    expect(rows()).toHaveLength(20_000);
    expect(rows()[0]).toBe("open 0 77");
    expect(it.warning).toBe("16001 rows not written: it works again");
  });

  test("at reopening is tried again at each refresh, and nothing is lost", () => {
    const it = openLog(false);
    const inner = `${folder}/inner`;
    it.refresh(look({ opened: [flow(1, 10)] }));
    renameSync(path, `${path}.1`);
    mkdirSync(path);
    it.reopen();
    expect(it.warning).toBe(`0 rows not written: cannot log to ${path}: it is a directory`);
    it.refresh(look({ updated: [flow(1, 20)] }));
    expect(it.warning).toBe(`1 row not written: cannot log to ${path}: it is a directory`);
    renameSync(path, inner);
    it.refresh(look({ opened: [flow(2, 5)] }));
    expect([rows(), rows(`${path}.1`)]).toEqual([["update 1 20", "open 2 5"], ["open 1 10"]]);
    expect([it.warning, it.error]).toEqual(["", null]);
  });
});

describe("a sink beside a log", () => {
  class FakeSink implements Sink<Refresh> {
    readonly policy: Policy = "latest only";
    readonly calls: string[] = [];
    hasEnded = false;
    start(): void {
      this.calls.push(`start ${readFileSync(path, "utf8").split("\n").length - 2}`);
    }
    refresh(_: Refresh, isLast: boolean): void {
      this.calls.push(`refresh ${readFileSync(path, "utf8").split("\n").length - 2} ${isLast}`);
    }
  }

  test("is shown what has been logged", () => {
    const sink = new FakeSink();
    const both = new FanOut([sink, openLog(true)]);
    both.start(look({ opened: [flow(1, 1)] }));
    both.refresh(look({ updated: [flow(1, 2)] }), false);
    both.refresh(look({ updated: [flow(1, 3)] }), true);
    expect(sink.calls).toEqual(["start 1", "refresh 2 false", "refresh 3 true"]);
    expect(both.hasEnded).toBe(false);
    sink.hasEnded = true;
    expect(both.hasEnded).toBe(true);
  });

  test("shows a last refresh when the log ends", () => {
    const sink = new FakeSink();
    const both = new FanOut([sink, openLog(true)]);
    both.start(look());
    disk.isFull = true;
    both.refresh(look({ opened: [flow(1, 1)] }), false);
    expect(sink.calls).toEqual(["start 0", "refresh 0 true"]);
    expect(both.hasEnded).toBe(true);
  });
});

describe("SIGHUP", () => {
  function heard() {
    const fake = new FakeWorld();
    const it = openLog(true);
    it.refresh(look({ opened: [flow(1, 1)] }));
    renameSync(path, `${path}.1`);
    const signals: string[] = [];
    const cancel = reopenedByHangup(fake, [it]).onStop((signal) => signals.push(signal));
    return { fake, signals, cancel };
  }

  test("reopens the log, the other signals end the program", () => {
    const { fake, signals, cancel } = heard();
    fake.requestStop("SIGHUP");
    expect([signals, existsSync(path)]).toEqual([[], true]);
    fake.requestStop("SIGINT");
    fake.requestStop("SIGTERM");
    expect(signals).toEqual(["SIGINT", "SIGTERM"]);
    cancel();
    expect(fake.stopListeners).toBe(0);
  });

  test("ends the program when its terminal has gone", () => {
    const { fake, signals } = heard();
    fake.terminalIsLost = true;
    fake.requestStop("SIGHUP");
    expect([signals, existsSync(path)]).toEqual([["SIGHUP"], false]);
  });
});
