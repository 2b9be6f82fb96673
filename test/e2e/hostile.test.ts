/** Processes with hostile names and command lines on the real kernel: nothing of them reaches an output raw. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readCsv } from "../fuzz/oracles/csv.ts";
import { assertHarmless } from "../fuzz/oracles/text.ts";
import { backends, cannotRun, REFRESH_S, run, TCPTOP } from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

/** A name as the process gives it to itself, as it is shown, and as a CSV cell where that differs. */
interface Name {
  readonly what: string;
  readonly bytes: Buffer;
  readonly shown: string;
  readonly cell?: string;
}

const NAMES: readonly Name[] = [
  { what: "escape sequences", bytes: Buffer.from("\x1b[2J\x1b[31mx"), shown: "\\x1b[2J\\x1b[31mx" },
  { what: "a window title", bytes: Buffer.from("\x1b]0;pwned\x07"), shown: "\\x1b]0;pwned\\x07" },
  { what: "control characters of 8 bits", bytes: Buffer.from("\u009b31mred"), shown: "\\x9b31mred" },
  { what: "newlines", bytes: Buffer.from("a\nb\r\tc"), shown: "a\\x0ab\\x0d\\x09c" },
  { what: "a formula", bytes: Buffer.from("=cmd()"), shown: "=cmd()", cell: "'=cmd()" },
  { what: "a full-width formula", bytes: Buffer.from("＋1"), shown: "＋1", cell: "'＋1" },
  { what: "commas and quotes", bytes: Buffer.from('a,"b",c'), shown: 'a,"b",c' },
  { what: "invalid UTF-8", bytes: Buffer.from([0xff, 0xfe, 0x41, 0xc3]), shown: "\ufffd\ufffdA\ufffd" },
  { what: "right to left", bytes: Buffer.from("\u202eexe.txt"), shown: "\\u202eexe.txt" },
  { what: "nothing to see", bytes: Buffer.from("\u200b\ufeff\u2066"), shown: "\\u200b\\ufeff\\u2066" },
  { what: "wide characters", bytes: Buffer.from("日本語e\u0301"), shown: "日本語e\u0301" },
  { what: "a backslash", bytes: Buffer.from("\\x1b"), shown: "\\\\x1b" },
];

/** More than the kernel or a screen shows of a command line. */
const ARGUMENT = `\x1b]0;pwned\x07\x1b[2J\u202e\r\n${"=long ".repeat(2000)}`;

/** Renames itself, talks to itself, tells its port and stays until its input ends. */
const PROGRAM = `
  const { createServer, connect } = require("node:net");
  require("node:fs").writeFileSync("/proc/self/comm", Buffer.from(process.argv[1], "hex"));
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1", () => {
    const client = connect(server.address().port, "127.0.0.1", () => client.write("hello"));
    client.once("data", () => console.log(client.localPort));
  });
  process.stdin.resume().on("end", () => process.exit());
`;

interface Talker {
  readonly name: Name;
  readonly child: ChildProcessWithoutNullStreams;
  readonly port: number;
}

async function talk(name: Name): Promise<Talker> {
  const child = spawn(process.execPath, ["-e", PROGRAM, name.bytes.toString("hex"), ARGUMENT]);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { name, child, port: Number(line) };
}

const talkers: Talker[] = [];
const terminals: PseudoTerminal[] = [];

afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.kill();
});

/** This machine may have other flows with the same ports. */
function onlyTalkers(): string[] {
  return ["--pid", talkers.map(({ child }) => child.pid).join(",")];
}

async function stream(backend: string, format: string): Promise<string> {
  const options = ["--backend", backend, "--format", format, "-n", "2", "-d", REFRESH_S];
  const exit = await run(process.execPath, [TCPTOP, ...onlyTalkers(), ...options]);
  expect(exit).toMatchObject({ code: 0, stderr: "" });
  return exit.stdout;
}

/** The backend that works here: names come through all of them alike. */
const backend = backends.find(([, required]) => required)?.[0] ?? "auto";

describe.skipIf(cannotRun)(`hostile processes${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  beforeAll(async () => {
    talkers.push(...(await Promise.all(NAMES.map(talk))));
  });
  afterAll(() => {
    for (const { child } of talkers) child.stdin.end();
  });

  test("JSON has each name as it is shown, once for each end", async () => {
    const lines = (await stream(backend, "json")).trimEnd().split("\n");
    lines.forEach(assertHarmless);
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { name, child } of talkers) {
      const names = rows
        .filter(({ event, pid }) => event === "open" && pid === child.pid)
        .map((row) => row["process"]);
      expect([name.what, ...names]).toEqual([name.what, name.shown, name.shown]);
    }
  });

  test("CSV has it in one cell that no spreadsheet runs", async () => {
    const text = await stream(backend, "csv");
    text.trimEnd().split("\n").forEach(assertHarmless);
    const [header = [], ...rows] = readCsv(text);
    const column = (row: readonly string[], key: string) => row[header.indexOf(key)];
    for (const row of rows) expect(row).toHaveLength(header.length);
    for (const { name, child } of talkers) {
      const own = rows.filter(
        (row) => column(row, "pid") === String(child.pid) && column(row, "event") === "open",
      );
      const cell = name.cell ?? name.shown;
      expect([name.what, ...own.map((row) => column(row, "process"))]).toEqual([name.what, cell, cell]);
    }
  });

  test("text has it as one word", async () => {
    const lines = (await stream(backend, "text")).trimEnd().split("\n");
    lines.forEach(assertHarmless);
    for (const { name, child } of talkers) {
      const words = lines.flatMap((line) =>
        line.split(/ +/).filter((word) => word.endsWith(`[${child.pid}]`)),
      );
      expect([name.what, words.length > 0, ...new Set(words)]).toEqual([
        name.what,
        true,
        `${name.shown}[${child.pid}]`,
      ]);
    }
  });

  test("the screen shows it in its column and, with the command line, in the details", async () => {
    const command = `${process.execPath} ${TCPTOP} --backend ${backend} -d ${REFRESH_S} ${onlyTalkers().join(" ")}`;
    const terminal = new PseudoTerminal(command, { columns: 200, rows: 40 });
    terminals.push(terminal);
    await terminal.line(/PROTO LOCAL +REMOTE/);
    for (const { name, child, port } of talkers) {
      terminal.type(`/127.0.0.1:${port}\r`);
      await terminal.line(/^ 2 of \d+ connections: /);
      terminal.type("g\r");
      const process = await terminal.line(new RegExp(`^ Process .*PID ${child.pid},`));
      expect(process).toBe(` Process      ${name.shown}, PID ${child.pid}, user id 0`);
      const line = await terminal.line(/^ Command /);
      // The start and the end of 4096 bytes, the middle left out.
      expect(line).toMatch(/^ Command {6}\S*node -e \\x0a {2}const .*….*=long =long/);
      terminal.type("\x1b");
      await terminal.line(/^ 2 of \d+ connections: /);
      terminal.type("\x1b");
    }
    terminal.type("q");
    await terminal.ended();
    expect(terminal.screen.unknown).toEqual([]);
    for (const raw of ["\x1b[31mx", "\x1b]", "\u202e", "\u200b", "\ufeff", "\u2066", "\u009b", "\x07"]) {
      expect(terminal.received).not.toContain(raw);
    }
  });
});
