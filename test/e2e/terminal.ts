/** A program under a real pseudo-terminal, and what its screen shows. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { displayWidth } from "../../src/base/width.ts";
import { eventually } from "./harness.ts";

/** Private modes and what they are called here. */
const MODES: Readonly<Record<string, string>> = {
  1049: "other screen",
  1000: "mouse",
  1006: "mouse coordinates",
  7: "autowrap",
  25: "cursor",
};

/** As much of a terminal as tcptop uses; anything else it is sent is noted. */
class Emulator {
  readonly unknown: string[] = [];
  readonly modes = new Map<string, boolean>();
  /** What was printed outside of the other screen. */
  printed = "";
  #cells: string[][] = [];
  #x = 0;
  #y = 0;
  #unread = "";

  feed(text: string): void {
    let rest = this.#unread + text;
    this.#unread = "";
    while (rest !== "") {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
      const sequence = /^\x1b\[([?\d;]*)([a-zA-Z])/.exec(rest);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: up to the next one
      const plain = /^[^\x1b]+/.exec(rest);
      if (sequence) this.#control(sequence[1] ?? "", sequence[2] ?? "");
      else if (plain) this.#print(plain[0]);
      else {
        this.#unread = rest;
        return;
      }
      rest = rest.slice((sequence ?? plain)?.[0].length ?? 0);
    }
  }

  get lines(): string[] {
    return this.#cells.map((cells) =>
      Array.from(cells, (cell) => cell ?? " ")
        .join("")
        .trimEnd(),
    );
  }

  #control(parameters: string, final: string): void {
    if (final === "m" || (final === "K" && parameters === "")) return;
    if (final === "H") {
      const [row = 1, column = 1] = parameters.split(";").map(Number);
      this.#y = row - 1;
      this.#x = column - 1;
    } else if (final === "J") this.#cells = [];
    else if ((final === "h" || final === "l") && parameters.startsWith("?")) {
      const mode = MODES[parameters.slice(1)];
      if (mode === undefined) this.unknown.push(`${parameters}${final}`);
      else this.modes.set(mode, final === "h");
    } else this.unknown.push(`${parameters}${final}`);
  }

  #print(text: string): void {
    if (this.modes.get("other screen") !== true) {
      this.printed += text;
      return;
    }
    for (const character of text) {
      const line = this.#cells[this.#y] ?? [];
      this.#cells[this.#y] = line;
      const cells = displayWidth(character);
      if (cells === 0) {
        line[this.#x - 1] += character;
        continue;
      }
      line[this.#x] = character;
      for (let i = 1; i < cells; i++) line[this.#x + i] = "";
      this.#x += cells;
    }
  }
}

export class PseudoTerminal {
  readonly screen = new Emulator();
  /** All that has been sent to the terminal. */
  received = "";
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;

  /** Runs a shell script on a terminal of this size. */
  constructor(script: string, { columns = 120, rows = 30, env = {} as NodeJS.ProcessEnv } = {}) {
    const command = `stty columns ${columns} rows ${rows}; ${script}`;
    this.#child = spawn("script", ["-qfec", command, "/dev/null"], {
      env: { ...process.env, SHELL: "/bin/bash", LC_ALL: "C.UTF-8", TERM: "xterm-256color", ...env },
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.received += text;
      this.screen.feed(text);
    });
    this.#closed = once(this.#child, "close");
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Waits until a line of the screen matches; throws with the screen if none does in time. */
  async line(pattern: RegExp): Promise<string> {
    const find = () => this.screen.lines.find((line) => pattern.test(line));
    await eventually(async () => find() !== undefined);
    const found = find();
    if (found === undefined) {
      const { lines, printed } = this.screen;
      throw new Error(`no line ${pattern}:\n${lines.join("\n")}\nprinted: ${JSON.stringify(printed)}`);
    }
    return found;
  }

  /** Waits until the shell script has printed it. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const find = () => pattern.exec(this.screen.printed);
    await eventually(async () => find() !== null);
    const found = find();
    if (found === null) throw new Error(`not printed: ${pattern}:\n${this.screen.printed}`);
    return found;
  }

  /** Waits for the end of the script. */
  async ended(): Promise<void> {
    await this.#closed;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
