/** The CSV log on real traffic: it says what the stream says, and survives what happens to files. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { csvHeaders } from "../../src/sinks/csv.ts";
import { flowsTable } from "../support/lenses.ts";
import { SmallDisk } from "./disk.ts";
import { cannotRunWithout, eventually, Load, REFRESH_S, run, scaled, TCPTOP } from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

const { current: CSV_HEADER } = csvHeaders(flowsTable());

const cannotRun = cannotRunWithout("python3");

const READ_CSV = fileURLToPath(new URL("read-csv.py", import.meta.url));
const FULL = "ENOSPC: no space left on device";

const folder = cannotRun ? "" : mkdtempSync(join(tmpdir(), "tcptop-log-"));
const path = join(folder, "log.csv");

type Line = Readonly<Record<string, unknown>>;

/** Moves in every second of every test. */
let load: Load;
beforeAll(async () => {
  if (cannotRun === null) load = await Load.start(60, 600);
});
afterAll(() => load?.end());

/** The filter that leaves out what else the machine does. */
function ownTraffic(): readonly string[] {
  return ["--pid", `${load.pids},${process.pid}`];
}

/** Rows as Python's csv module reads them; it is strict, and a torn row or a torn character fails. */
async function readCsv(file: string): Promise<Record<string, string>[]> {
  const { code, stdout, stderr } = await run("sh", ["-c", 'exec python3 "$0" < "$1"', READ_CSV, file]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, string>[];
}

/** A line of JSON as cells of CSV. */
function asCells(line: Line): Record<string, string> {
  return Object.fromEntries(Object.entries(line).map(([key, value]) => [key, String(value ?? "")]));
}

/** What the JSON stream in a file has to say of connections. */
function readStream(file: string): Line[] {
  const lines = readFileSync(file, "utf8").split("\n");
  expect(lines.pop()).toBe("");
  return lines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ event }) => event !== "start" && event !== "summary");
}

/** `tcptop` with a log, its stream as JSON in a file. */
class Run {
  readonly stream = join(folder, "stream.jsonl");
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #stderr = "";

  constructor(log: string, { enter = [] as readonly string[], args = ownTraffic() } = {}) {
    const fd = openSync(this.stream, "w");
    const tcptop = [process.execPath, TCPTOP, "--format", "json", "-d", REFRESH_S, "--log", log, ...args];
    const [command = "", ...rest] = [...enter, ...tcptop];
    this.#child = spawn(command, rest, { stdio: ["ignore", fd, "pipe"] });
    closeSync(fd);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#exit = once(this.#child, "close");
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until there are so many refreshes more. */
  async refreshed(times = 2): Promise<void> {
    const count = () => readFileSync(this.stream, "utf8").match(/"event":"summary"/g)?.length ?? 0;
    const before = count();
    const isAlive = () => this.#child.exitCode === null && this.#child.signalCode === null;
    await eventually(async () => count() >= before + times || !isAlive());
    if (!isAlive()) throw new Error(`tcptop ended: ${this.#stderr}`);
  }

  async ended(): Promise<{ code: unknown; stderr: string }> {
    const [code] = await this.#exit;
    return { code, stderr: this.#stderr };
  }

  async stop(): Promise<{ code: unknown; stderr: string }> {
    this.kill("SIGINT");
    return this.ended();
  }
}

const sockets: Socket[] = [];

async function received(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) left -= ((await once(socket, "data")) as [Buffer])[0].length;
}

/** A connection of this process, one end of it. */
async function connection(): Promise<{ client: Socket; server: Socket; port: number }> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const [server] = (await once(listener, "connection")) as [Socket];
  listener.close();
  sockets.push(client, server);
  return { client, server, port: client.localPort ?? 0 };
}

async function send(from: Socket, to: Socket, bytes: number): Promise<void> {
  const arrived = received(to, bytes);
  from.write(Buffer.alloc(bytes));
  await arrived;
}

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  if (folder !== "") for (const name of ["", ".1"]) rmSync(`${path}${name}`, { force: true });
});
afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true });
});

describe.skipIf(cannotRun)(`the log${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test("says what the stream says, in a file for its owner and group", async () => {
    const tcptop = new Run(path);
    await tcptop.refreshed();
    const { client, server, port } = await connection();
    await send(client, server, 123_456);
    client.destroy();
    await tcptop.refreshed(3);
    expect(await tcptop.stop()).toEqual({ code: 0, stderr: "" });

    const rows = await readCsv(path);
    expect(rows).toEqual(readStream(tcptop.stream).map(asCells));
    const close = rows.find((row) => row["event"] === "close" && row["local_port"] === String(port));
    expect(close?.["bytes_out"]).toBe("123456");
    expect(statSync(path).mode & 0o137).toBe(0);
  });

  test("goes on where an earlier one ended, also in the middle of a row", async () => {
    const first = new Run(path);
    await first.refreshed();
    await first.stop();
    const before = readFileSync(path, "utf8");
    writeFileSync(path, `${before}2026-11-21T04:0`);
    const second = new Run(path);
    await second.refreshed();
    expect(await second.stop()).toEqual({
      code: 0,
      stderr: `warning: ${path} ends in an unfinished row of 15 bytes, which is cut off\n`,
    });
    expect(readFileSync(path, "utf8").startsWith(before)).toBe(true);
    const added = readStream(second.stream).map(asCells);
    expect((await readCsv(path)).slice(-added.length)).toEqual(added);
  });

  test("is refused with 73 when the file is something else, or another tcptop's", async () => {
    writeFileSync(path, "notes\n");
    expect(await run(process.execPath, [TCPTOP, "-b", "--log", path])).toEqual({
      code: 73,
      signal: null,
      stdout: "",
      stderr: `error: cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it\n`,
    });
    expect(readFileSync(path, "utf8")).toBe("notes\n");

    const tcptop = new Run(path, { args: ["--overwrite", ...ownTraffic()] });
    await tcptop.refreshed();
    expect(await run(process.execPath, [TCPTOP, "-b", "--log", path])).toMatchObject({
      code: 73,
      stdout: "",
      stderr: `error: cannot log to ${path}: another tcptop writes to it\n`,
    });
    await tcptop.refreshed();
    expect(await tcptop.stop()).toEqual({ code: 0, stderr: "" });
    expect(await readCsv(path)).toEqual(readStream(tcptop.stream).map(asCells));
  });

  test("sets a file with an older version's columns aside, also at SIGHUP, and ends with 0", async () => {
    const older = `${CSV_HEADER.replace(/,[^,]*\n$/, "")}\n2026,open\n`;
    writeFileSync(path, older);
    const tcptop = new Run(path);
    await tcptop.refreshed();
    renameSync(path, `${path}.1`);
    writeFileSync(path, older);
    tcptop.kill("SIGHUP");
    await tcptop.refreshed();
    const { code, stderr } = await tcptop.stop();
    const aside = [
      ...stderr.matchAll(/^warning: (\S+) has the columns of an older tcptop; it is now (\S+),/gm),
    ];
    expect([code, stderr.split("\n").length, aside.map(([, from]) => from)]).toEqual([0, 3, [path, path]]);
    for (const [, , to = ""] of aside) {
      expect(to).toMatch(/\.csv\.\d{4}-\d\d-\d\d(\.2)?$/);
      expect(readFileSync(to, "utf8")).toBe(older);
      rmSync(to);
    }
    const rows = [...(await readCsv(`${path}.1`)), ...(await readCsv(path))];
    expect(rows).toEqual(readStream(tcptop.stream).map(asCells));
  });

  test("is not kept from starting by who may only read it", async () => {
    writeFileSync(path, CSV_HEADER);
    const script = 'exec 9< "$0" && flock 9 && echo ready && exec cat';
    const reader = spawn("sh", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
    await once(reader.stdout, "data");
    expect(await run(process.execPath, [TCPTOP, "-b", "-n", "1", "--log", path])).toMatchObject({
      code: 0,
      stderr: "",
    });
    reader.stdin.end();
    await once(reader, "close");
  });

  test("rotates at SIGHUP without losing a row", async () => {
    const tcptop = new Run(path);
    await tcptop.refreshed();
    renameSync(path, `${path}.1`);
    await tcptop.refreshed();
    tcptop.kill("SIGHUP");
    expect(await eventually(async () => existsSync(path) && statSync(path).size > 0)).toBe(true);
    const rotated = readFileSync(`${path}.1`, "utf8");
    await tcptop.refreshed();
    expect(await tcptop.stop()).toEqual({ code: 0, stderr: "" });

    expect(readFileSync(`${path}.1`, "utf8")).toBe(rotated);
    const [old, now] = [await readCsv(`${path}.1`), await readCsv(path)];
    expect(old.length).toBeGreaterThan(60);
    expect(now.length).toBeGreaterThan(0);
    expect([...old, ...now]).toEqual(readStream(tcptop.stream).map(asCells));
  });

  test("that finds another file at SIGHUP leaves it alone and ends with 73", async () => {
    const tcptop = new Run(path);
    await tcptop.refreshed();
    renameSync(path, `${path}.1`);
    writeFileSync(path, "notes\n");
    tcptop.kill("SIGHUP");
    expect(await tcptop.ended()).toEqual({
      code: 73,
      stderr: `error: cannot log to ${path}: its first line is not the header of a tcptop log; --overwrite replaces it\n`,
    });
    expect(readFileSync(path, "utf8")).toBe("notes\n");
    const written = await readCsv(`${path}.1`);
    expect(written.length).toBeGreaterThan(60);
    expect(readStream(tcptop.stream).map(asCells).slice(0, written.length)).toEqual(written);
  });

  test("whose directory is removed ends with 74, and what was written is whole", async () => {
    const inner = join(folder, "inner");
    mkdirSync(inner);
    const tcptop = new Run(join(inner, "log.csv"));
    await tcptop.refreshed();
    const fd = openSync(join(inner, "log.csv"), "r");
    rmSync(inner, { recursive: true });
    expect(await tcptop.ended()).toEqual({
      code: 74,
      stderr: `error: cannot create ${join(inner, "log.csv")}: ENOENT: no such file or directory\n`,
    });
    const written = await readCsv(`/proc/${process.pid}/fd/${fd}`);
    closeSync(fd);
    expect(written.length).toBeGreaterThan(60);
    expect(readStream(tcptop.stream).map(asCells).slice(0, written.length)).toEqual(written);
  });
});

describe.skipIf(cannotRun)(`on a small disk${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  let disk: SmallDisk;
  afterEach(() => disk.remove());

  const log = (side: "inside" | "outside") => join(disk[side], "log.csv");

  test("that fills up the stream ends with 74 and the log with its last whole refresh", async () => {
    disk = await SmallDisk.make(64);
    const tcptop = new Run(log("inside"), { enter: disk.enter });
    expect(await tcptop.ended()).toEqual({
      code: 74,
      stderr: `error: cannot write to ${log("inside")}: ${FULL}\n`,
    });
    const written = await readCsv(log("outside"));
    const streamed = readStream(tcptop.stream).map(asCells);
    expect(written.length).toBeGreaterThan(60);
    expect(streamed.slice(0, written.length)).toEqual(written);
    // Whole refreshes: the next row has another time. The stream has that refresh, too.
    expect(streamed.length).toBeGreaterThan(written.length);
    expect(streamed[written.length]?.["time"]).not.toBe(written.at(-1)?.["time"]);
    expect(readFileSync(log("outside"), "utf8").endsWith("\n")).toBe(true);
  });

  test("that is read-only a log cannot be started or reopened: 74, and the file is as it was", async () => {
    disk = await SmallDisk.make(65_536);
    const tcptop = new Run(log("inside"), { enter: disk.enter });
    await tcptop.refreshed();
    // What is open stays writable, what is opened by this path does not.
    await disk.do('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"');
    const readOnly = {
      code: 74,
      stderr: `error: cannot write to ${log("inside")}: EROFS: read-only file system\n`,
    };
    tcptop.kill("SIGHUP");
    expect(await tcptop.ended()).toEqual(readOnly);
    const before = readFileSync(log("outside"), "utf8");
    const written = await readCsv(log("outside"));
    expect(readStream(tcptop.stream).map(asCells).slice(0, written.length)).toEqual(written);

    expect(await new Run(log("inside"), { enter: disk.enter }).ended()).toEqual(readOnly);
    expect(readFileSync(log("outside"), "utf8")).toBe(before);
  });

  test("that fills up the screen warns, goes on when there is room, and ends with 74", async () => {
    disk = await SmallDisk.make(64);
    const errors = join(folder, "stderr");
    const tcptop = `${process.execPath} ${TCPTOP} -d ${REFRESH_S} -l ${log("inside")} ${ownTraffic().join(" ")}`;
    const terminal = new PseudoTerminal(
      `${disk.enter.join(" ")} ${tcptop} 2>${errors}; echo "left code=$?"`,
      { columns: 160 },
    );
    await terminal.line(/PROTO LOCAL +REMOTE/);
    const { client, server, port } = await connection();
    await terminal.line(new RegExp(`^ log: [1-9]\\d* rows? not written: cannot write to .*: ${FULL}$`));
    await send(client, server, 98_765);
    const full = readFileSync(log("outside"), "utf8");
    client.destroy();
    terminal.type(`/${port}\r`);
    await terminal.line(/^ 0 of \d+ connections: /);
    await terminal.line(new RegExp(`: ${FULL}$`));
    expect(readFileSync(log("outside"), "utf8")).toBe(full);

    await disk.do('mount -o remount,size=64m "$0"');
    await terminal.line(/^ log: [1-9]\d* rows not written: it works again$/);
    terminal.type("q");
    await terminal.printed(/left code=74/);
    expect(readFileSync(errors, "utf8")).toMatch(
      /^error: [1-9]\d* rows of the log not written: cannot write to \S+: ENOSPC: no space left on device\n$/,
    );
    expect(readFileSync(log("outside"), "utf8").startsWith(full)).toBe(true);
    const closes = (await readCsv(log("outside"))).filter((row) => row["event"] === "close");
    const close = closes.find((row) => row["local_port"] === String(port));
    expect(close?.["bytes_out"]).toBe("98765");
  });
});

describe.skipIf(cannotRun)(`a terminal that goes away${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test.for([
    ["with the screen", ""],
    ["with the stream", "--batch"],
    ["with the stream elsewhere", "--batch > /dev/null"],
  ] as const)("ends tcptop and its log, %s", async ([, args]) => {
    const pid = join(folder, "pid");
    rmSync(pid, { force: true });
    const command = `${process.execPath} ${TCPTOP} -d ${REFRESH_S} -l ${path} ${args}`;
    const terminal = new PseudoTerminal(`sh -c 'echo $$ > ${pid}; exec ${command}'`);
    expect(await eventually(async () => existsSync(path) && statSync(path).size > 0)).toBe(true);
    const id = Number(readFileSync(pid, "utf8"));
    terminal.kill();
    expect(await eventually(async () => !existsSync(`/proc/${id}`))).toBe(true);
    await readCsv(path);
  });
});

/** What each column of numbers adds up to, by event, as read-csv.py has it. */
function sums(lines: readonly Line[]): Record<string, Record<string, string>> {
  const thousandths = new Map<string, Map<string, bigint>>();
  const add = (event: string, name: string, value: bigint) => {
    const columns = thousandths.get(event) ?? new Map<string, bigint>();
    thousandths.set(event, columns.set(name, (columns.get(name) ?? 0n) + value));
  };
  for (const line of lines) {
    add(String(line["event"]), "rows", 1000n);
    for (const [name, value] of Object.entries(line)) {
      if (name !== "process" && /^\d+(\.\d+)?$/.test(String(value))) {
        const [whole = "", fraction = ""] = String(value).split(".");
        add(String(line["event"]), name, BigInt(whole) * 1000n + BigInt(fraction.padEnd(3, "0")));
      }
    }
  }
  const shown = (sum: bigint) =>
    `${sum / 1000n}.${String(sum % 1000n).padStart(3, "0")}`.replace(/\.?0+$/, "");
  return Object.fromEntries(
    [...thousandths].map(([event, columns]) => [
      event,
      Object.fromEntries([...columns].map(([name, sum]) => [name, shown(sum)])),
    ]),
  );
}

describe.skipIf(cannotRun)(`very many flows${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  test("of 20 refreshes add up to what the stream says, as Python reads them", async () => {
    const flows = scaled(10_000);
    const many = await Load.start(flows, 120);
    const tcptop = new Run(path, { args: ["-n", "20", "--pid", many.pids] });
    try {
      expect(await tcptop.ended()).toEqual({ code: 0, stderr: "" });
    } finally {
      await many.end();
    }
    const streamed = readStream(tcptop.stream);
    const script = 'exec python3 "$0" sums < "$1"';
    const { code, stdout, stderr } = await run("sh", ["-c", script, READ_CSV, path]);
    expect([code, stderr]).toEqual([0, ""]);
    const logged = JSON.parse(stdout) as ReturnType<typeof sums>;
    expect(logged).toEqual(sums(streamed));
    expect(Number(logged["open"]?.["rows"])).toBeGreaterThanOrEqual(flows);
    expect(Number(logged["update"]?.["rows"])).toBeGreaterThan(5 * flows);
  });
});
