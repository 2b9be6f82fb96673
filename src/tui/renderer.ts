/** Puts frames on a terminal, only what differs from what is there. */

import { createRequire } from "node:module";
import type { ReadStream, WriteStream } from "node:tty";
import blessed from "blessed";
import type { Frame, Size } from "../core/cells.ts";
import { type ColorDepth, type Painter, paintLine } from "./paint.ts";

export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/** The environment as far as it describes the terminal. */
export interface TerminalEnvironment {
  readonly [name: string]: string | undefined;
}

/** What is used of blessed, whose published types leave it out or have it wrong. */
interface Blessed {
  program(options: Terminal & { readonly tput: false }): Program;
  tput(options: object): {
    readTerminfo(term: string): { readonly numbers: { readonly max_colors?: number } };
  };
}

interface Program {
  hideCursor(): void;
  showCursor(): void;
  setMode(mode: string): void;
  resetMode(mode: string): void;
  setMouse(modes: { readonly vt200Mouse: boolean; readonly sgrMouse: boolean }, enable: boolean): void;
  write(text: string): void;
  destroy(): void;
}

const { program, tput } = blessed as unknown as Blessed;

// blessed loads these when it first needs them, which may be when its files cannot be found any more. Node remembers
// what was found for who asked, by folder and name.
const requireBeside = createRequire(createRequire(import.meta.url).resolve("blessed/lib/program.js"));
for (const name of ["./keys", "./gpmclient"]) requireBeside(name);

/** Colours by the terminal's entry in terminfo, null without one. */
function terminfoColors(term: string): number | null {
  // Text that is not a terminal's name would be opened as a path.
  if (!/^[\w.+-]+$/.test(term)) return null;
  try {
    // Made for no terminal it only parses; compiling prints what it does not understand.
    return tput({}).readTerminfo(term).numbers.max_colors ?? 0;
  } catch {
    return null;
  }
}

/** How many colours to use: none against NO_COLOR, else what terminfo, or the name, says. */
export function colorDepth(environment: TerminalEnvironment, wantsColor: boolean): ColorDepth {
  const { TERM: term = "", COLORTERM: colorTerm = "" } = environment;
  if (!wantsColor) return 0;
  if (/^(truecolor|24bit)$/.test(colorTerm) || /256color|kitty|foot|alacritty|ghostty|wezterm/.test(term))
    return 256;
  // An unknown name belongs to something made after colour was.
  const colors = terminfoColors(term) ?? 8;
  if (colors >= 256) return 256;
  if (colors >= 16) return 16;
  return colors >= 8 ? 8 : 0;
}

/** Whether the locale says that the terminal takes UTF-8; variables in the order of setlocale(3). */
export function usesUtf8({ LC_ALL, LC_CTYPE, LANG }: TerminalEnvironment): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}

/** The other screen, with the cursor's place on the first one kept (xterm's mode 1049). */
const OTHER_SCREEN = "?1049";

/** Autowrap: a line whose width the terminal sees otherwise must not push the others down. */
const AUTOWRAP = "?7";

export class Renderer {
  readonly #program: Program;
  readonly #terminal: Terminal;
  readonly #painter: Painter;
  #shown: string[] = [];
  #isUp = false;

  constructor(terminal: Terminal, painter: Painter) {
    this.#terminal = terminal;
    this.#painter = painter;
    // Without terminfo it speaks ECMA-48, as every terminal of today does.
    this.#program = program({ ...terminal, tput: false });
  }

  get size(): Size {
    const { columns, rows } = this.#terminal.output;
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** Takes the terminal over: raw keys, its other screen, the mouse. Does nothing if it has. */
  enter(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#terminal.input.setRawMode(true);
    this.#program.setMode(OTHER_SCREEN);
    this.#program.resetMode(AUTOWRAP);
    this.#program.hideCursor();
    this.#program.setMouse({ vt200Mouse: true, sgrMouse: true }, true);
    this.#shown = [];
  }

  /** Gives the terminal back as it was. Does nothing if it has. */
  leave(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#program.setMouse({ vt200Mouse: false, sgrMouse: false }, false);
    this.#program.showCursor();
    this.#program.setMode(AUTOWRAP);
    // A terminal without another screen keeps the frame: what follows goes below it.
    this.#program.write(`\x1b[${this.size.rows};1H\x1b[K`);
    this.#program.resetMode(OTHER_SCREEN);
    this.#terminal.input.setRawMode(false);
  }

  /** Forgets what is on the screen: the next frame is drawn whole. */
  forget(): void {
    this.#shown = [];
  }

  draw({ lines, cursor }: Frame): void {
    if (!this.#isUp) return;
    const painted = lines.map((line) => paintLine(line, this.#painter));
    const isNew = this.#shown.length !== painted.length;
    const changed = painted.flatMap((text, y) =>
      !isNew && text === this.#shown[y] ? [] : [`\x1b[${y + 1};1H${text}`],
    );
    this.#shown = painted;
    const place = cursor === null ? "\x1b[?25l" : `\x1b[${cursor.y + 1};${cursor.x + 1}H\x1b[?25h`;
    if (changed.length > 0 || cursor !== null) {
      this.#program.write(`${isNew ? "\x1b[2J" : ""}${changed.join("")}${place}`);
    }
  }

  /** Ends the use of the terminal. */
  close(): void {
    this.leave();
    this.#program.destroy();
  }
}
