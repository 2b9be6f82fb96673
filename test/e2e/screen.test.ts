/** The screen under a real terminal against real traffic: what it shows, and how it leaves the terminal. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { displayWidth } from "../../src/base/width.ts";
import { cannotRun, eventually, TCPTOP } from "./harness.ts";
import { PseudoTerminal } from "./terminal.ts";

const RUN = `${process.execPath} ${TCPTOP} -d 0.2`;

/** Bytes that each end sends: what no other connection of this machine moves by chance. */
const SENT = { client: 1_234_567, server: 76_543 };

/** A terminal set back to what it was has these modes. */
const LEFT = {
  "other screen": false,
  mouse: false,
  "mouse coordinates": false,
  autowrap: true,
  cursor: true,
};

const folder = mkdtempSync(join(tmpdir(), "tcptop-screen-"));
const errors = join(folder, "stderr");
const terminals: PseudoTerminal[] = [];
let sockets: Socket[] = [];

/** tcptop between two looks at the terminal's settings. */
function watched(command = RUN): string {
  return `before=$(stty -g); ${command} 2>${errors}; code=$?; [ "$before" = "$(stty -g)" ] && echo "left code=$code"`;
}

function open(script: string, options?: ConstructorParameters<typeof PseudoTerminal>[1]): PseudoTerminal {
  const terminal = new PseudoTerminal(script, options);
  terminals.push(terminal);
  return terminal;
}

async function received(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    left -= chunk.length;
  }
}

/** Loopback addresses that nobody else uses: a filter finds this process's connections by them alone. */
const HOST = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const OTHER_HOST = HOST.replace("127.77.", "127.78.");

/** A connection of this process that has moved its bytes and stays. Both ends have this address. */
async function converse(host = HOST): Promise<{ server: number; client: number }> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host, localAddress: host });
  const [accepted] = (await once(server, "connection")) as [Socket];
  server.close();
  sockets.push(client, accepted);
  const arrived = [received(accepted, SENT.client), received(client, SENT.server)];
  client.write(Buffer.alloc(SENT.client));
  accepted.write(Buffer.alloc(SENT.server));
  await Promise.all(arrived);
  return { server: port, client: client.localPort ?? 0 };
}

afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.kill();
  for (const socket of sockets.splice(0)) socket.destroy();
  sockets = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(cannotRun)(`the screen${cannotRun ? `: ${cannotRun}` : ""}`, () => {
  let name = "";
  beforeAll(() => {
    name = readFileSync(`/proc/${process.pid}/comm`, "utf8").trim();
  });

  test("finds a connection with its process and its bytes, and tells its story", async () => {
    const terminal = open(watched(), { columns: 160 });
    await terminal.line(/PROTO LOCAL +REMOTE/);
    const { server, client } = await converse();
    // There is at least one more, whatever the machine does.
    await converse(OTHER_HOST);
    terminal.type(`/${HOST}\r`);
    await terminal.line(/^ 2 of \d+ connections: /);
    terminal.type("mb");
    const row = (local: number, remote: number, bytesIn: number, bytesOut: number) =>
      new RegExp(
        `^[+ ] tcp +${HOST}:${local} +${HOST}:${remote} +${process.pid} .*ESTABLISHED +${bytesIn} B +${bytesOut} B`,
      );
    const line = await terminal.line(row(client, server, SENT.server, SENT.client));
    expect(line).toContain(` ${name.slice(0, 12)}`);
    await terminal.line(row(server, client, SENT.client, SENT.server));

    terminal.type("amj\r");
    await terminal.line(new RegExp(`^ tcp ${HOST}:\\d+ → ${HOST}:\\d+$`));
    await terminal.line(new RegExp(`^ Process +${name}, PID ${process.pid}, user id 0$`));
    await terminal.line(/^ Command +\S*node /);
    await terminal.line(new RegExp(`^ In .* \\((${SENT.client}|${SENT.server}) B\\) `));
    await terminal.line(/^ RTT +\d+ us now, \d+ us lowest/);
    terminal.type("\x1b");
    await terminal.line(/^ 2 of \d+ connections: /);
    terminal.type("vv");
    await terminal.line(new RegExp(`^▸ ${HOST} +2 +1 `));

    terminal.type("q");
    await terminal.printed(/left code=0/);
    await terminal.ended();
    expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
    expect(terminal.screen.unknown).toEqual([]);
    expect(readFileSync(errors, "utf8")).toBe("");
  });

  test("the mouse selects a row, opens it, sorts and scrolls", async () => {
    const { server, client } = await converse();
    await converse(OTHER_HOST);
    const terminal = open(RUN, { columns: 160, rows: 12 });
    const mouse = (button: number, x: number, y: number) =>
      terminal.type(`\x1b[<${button};${x + 1};${y + 1}M`);
    const at = (pattern: RegExp) => terminal.screen.lines.findIndex((line) => pattern.test(line));
    const heading = await terminal.line(/PROTO .*REMOTE .* IN▼/);
    mouse(0, heading.indexOf("REMOTE"), at(/PROTO .*REMOTE/));
    await terminal.line(/ REMOTE▲/);
    terminal.type(`/${HOST}:${client}\r`);
    await terminal.line(/^ 2 of \d+ connections: /);
    const row = new RegExp(`^. tcp +${HOST}:${client} `);
    await terminal.line(row);
    mouse(0, 5, at(row));
    mouse(0, 5, at(row));
    await terminal.line(new RegExp(`^ tcp ${HOST}:${client} → ${HOST}:${server}$`));
    terminal.type("\x1b");
    await terminal.line(/^ 2 of \d+ connections: /);
    terminal.type("?");
    const first = await terminal.line(/^ tcptop \d+\.\d+\.\d+: /);
    mouse(65, 5, 5);
    expect(await eventually(async () => terminal.screen.lines[0] !== first.trimEnd())).toBe(true);
    mouse(64, 5, 5);
    await terminal.line(/^ tcptop \d+\.\d+\.\d+: /);
  });

  test("another size of the terminal is drawn at once", async () => {
    const terminal = open(`tty > ${folder}/tty; ${RUN} -d 3600`, { columns: 120, rows: 30 });
    await terminal.line(/PROTO LOCAL +REMOTE/);
    const resize = (columns: number, rows: number) => {
      const tty = readFileSync(`${folder}/tty`, "utf8").trim();
      execFileSync("stty", ["-F", tty, "columns", String(columns), "rows", String(rows)]);
    };
    for (const [columns, rows] of [
      [60, 10],
      [200, 50],
      [80, 24],
    ] as const) {
      resize(columns, rows);
      const fits = async () => {
        const { lines } = terminal.screen;
        return lines.length === rows && displayWidth(lines.at(-1) ?? "") === columns - 1;
      };
      expect(await eventually(fits), terminal.screen.lines.join("\n")).toBe(true);
      expect(Math.max(...terminal.screen.lines.map(displayWidth))).toBeLessThanOrEqual(columns);
      await terminal.line(/ REMOTE .* PROCESS /);
    }
    terminal.type("q");
    await terminal.ended();
    expect(terminal.screen.unknown).toEqual([]);
  });

  test.for([
    ["Ctrl-C", (terminal: PseudoTerminal) => terminal.type("\x03")],
    ["SIGTERM", () => process.kill(tcptopPid(), "SIGTERM")],
    ["SIGHUP", () => process.kill(tcptopPid(), "SIGHUP")],
    ["SIGINT", () => process.kill(tcptopPid(), "SIGINT")],
    ["SIGQUIT", () => process.kill(tcptopPid(), "SIGQUIT")],
  ] as const)("%s leaves the terminal as it was, with 0", async ([, end]) => {
    const terminal = open(watched(`sh -c 'echo $$ > ${folder}/pid; exec ${RUN}'`));
    await terminal.line(/PROTO LOCAL +REMOTE/);
    end(terminal);
    await terminal.printed(/left code=0/);
    expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
  });

  test("a terminal that goes away ends it, without a word", async () => {
    const terminal = open(watched(`sh -c 'echo $$ > ${folder}/pid; exec ${RUN}'`));
    await terminal.line(/PROTO LOCAL +REMOTE/);
    const pid = tcptopPid();
    terminal.kill();
    expect(await eventually(async () => !existsSync(`/proc/${pid}`))).toBe(true);
    expect(readFileSync(errors, "utf8")).toBe("");
  });

  test.for(["SIGUSR2", "SIGALRM", "SIGIO", "SIGPROF", "SIGABRT"] as const)(
    "%s leaves the terminal as it was, and ends it by itself",
    async (signal) => {
      const terminal = open(watched(`sh -c 'echo $$ > ${folder}/pid; exec ${RUN}'`));
      await terminal.line(/PROTO LOCAL +REMOTE/);
      process.kill(tcptopPid(), signal);
      await terminal.printed(new RegExp(`left code=${128 + constants.signals[signal]}`));
      expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
    },
  );

  test("a crash leaves the terminal as it was, and says so below", async () => {
    const crash = "process.on('SIGUSR2', () => { throw new Error('boom'); })";
    const NODE_OPTIONS = `--import "data:text/javascript,${encodeURIComponent(crash)}"`;
    const started = `sh -c 'echo $$ > ${folder}/pid; exec ${RUN}'`;
    const script = `before=$(stty -g); ${started}; [ "$before" = "$(stty -g)" ] && echo left`;
    const terminal = open(script, { env: { NODE_OPTIONS } });
    await terminal.line(/PROTO LOCAL +REMOTE/);
    process.kill(tcptopPid(), "SIGUSR2");
    await terminal.printed(/Error: boom[\s\S]*left/);
    expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
  });

  test("Ctrl-Z gives the terminal back, fg takes it again", async () => {
    const script = `set -m; before=$(stty -g); ${RUN}; [ "$before" = "$(stty -g)" ] && echo "stopped=$?"; read -r line; fg; echo "code=$?"`;
    const terminal = open(script);
    await terminal.line(/PROTO LOCAL +REMOTE/);
    terminal.type("\x1a");
    await terminal.printed(/stopped=0/);
    expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
    terminal.type("\n");
    await terminal.printed(/tcptop\.js/);
    terminal.type("?");
    await terminal.line(/^ tcptop \d+\.\d+\.\d+: /);
    terminal.type("q");
    await terminal.printed(/code=0/);
    expect(Object.fromEntries(terminal.screen.modes)).toEqual(LEFT);
  });

  test.for(["screen-256color", "xterm-kitty", "foot", "linux", "vt100", "no-such-terminal"])(
    "TERM=%s: no word on stderr",
    async (TERM) => {
      const terminal = open(watched(`${RUN} -n 2`), { columns: 80, rows: 24, env: { TERM } });
      await terminal.printed(/left code=0/);
      expect(terminal.screen.lines[4]).toMatch(/REMOTE +PID PROCESS +STATE/);
      expect(readFileSync(errors, "utf8")).toBe("");
    },
  );

  test("TERM=dumb gets the stream", async () => {
    const terminal = open(watched(`${RUN} -n 1`), { env: { TERM: "dumb" } });
    await terminal.printed(/# tcptop .*: backend /);
    await terminal.printed(/left code=0/);
    expect(Object.fromEntries(terminal.screen.modes)).toEqual({});
  });
});

function tcptopPid(): number {
  return Number(readFileSync(`${folder}/pid`, "utf8"));
}
