/** What a terminal sends for keys and the mouse, as inputs of the screen. */
import type { Input } from "../view/update.ts";

/** Final letters of `ESC [` and `ESC O` sequences. */
const LETTERS: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
  P: "f1",
  Q: "f2",
  R: "f3",
  S: "f4",
  Z: "shift-tab",
  M: "enter",
};

/** Numbers of `ESC [ n ~` sequences: xterm, rxvt and the Linux console. */
const NUMBERS: Readonly<Record<string, string>> = {
  1: "home",
  2: "insert",
  3: "delete",
  4: "end",
  5: "pageup",
  6: "pagedown",
  7: "home",
  8: "end",
  11: "f1",
  14: "f4",
  15: "f5",
  17: "f6",
  21: "f10",
};

/** `ESC [ [ x` of the Linux console. */
const CONSOLE: Readonly<Record<string, string>> = { A: "f1", D: "f4", E: "f5" };

const CONTROLS: Readonly<Record<string, string>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\x7f": "backspace",
};

/** Rows that one click of the wheel scrolls. */
const WHEEL_ROWS = 3;

const ESC = "\x1b";

/**
 * What follows ESC: a whole sequence at the front of a text, and one that lacks its end. Longer ones are
 * no key of any terminal, and nothing is kept of them.
 */
const SEQUENCE =
  /^(?:\[<(?<mouse>[\d;]{0,32})(?<button>[Mm])|\[\[(?<console>[A-E])|\[(?<parameters>[0-9;?]{0,32})(?<final>[@-Z\\-~])|O(?<application>[A-Z]))/;
const UNFINISHED = /^(?:\[(?:<[\d;]{0,32}|\[|[0-9;?]{0,32})|O)$/;

/** The kernel keeps the size of a terminal in 16 bits. */
const MOST_CELLS = 0xffff;

function key(name: string | undefined): Input[] {
  return name === undefined ? [] : [{ kind: "key", name }];
}

/** SGR mouse reports (xterm's mode 1006): button;column;row, counted from 1. */
function mouse(report: string, pressed: boolean): Input[] {
  const [button = -1, column = 0, row = 0] = report.split(";").map(Number);
  if (column < 1 || row < 1 || column > MOST_CELLS || row > MOST_CELLS) return [];
  const modifiers = 4 | 8 | 16;
  switch (button & ~modifiers) {
    case 0:
      return pressed ? [{ kind: "click", x: column - 1, y: row - 1 }] : [];
    case 64:
      return [{ kind: "wheel", lines: -WHEEL_ROWS }];
    case 65:
      return [{ kind: "wheel", lines: WHEEL_ROWS }];
    default:
      return [];
  }
}

function sequence(groups: Readonly<Record<string, string | undefined>>): Input[] {
  const { mouse: report, button, console, parameters = "", final = "", application } = groups;
  if (report !== undefined) return mouse(report, button === "M");
  if (console !== undefined) return key(CONSOLE[console]);
  if (application !== undefined) return key(LETTERS[application]);
  return key(final === "~" ? NUMBERS[parameters.split(";")[0] ?? ""] : LETTERS[final]);
}

/** A control character other than those that begin a sequence: `ctrl-c`. */
function control(character: string): Input[] {
  const code = character.codePointAt(0) ?? 0;
  return key(
    CONTROLS[character] ?? (code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 96)}` : undefined),
  );
}

export class KeyDecoder {
  #unfinished = "";

  /**
   * The inputs in one read of the terminal. A sequence that is cut waits for the next read; an ESC that
   * nothing follows is the key Esc.
   */
  decode(received: string): Input[] {
    const inputs: Input[] = [];
    let text = this.#unfinished + received;
    this.#unfinished = "";
    while (text !== "") {
      if (text.startsWith(ESC)) {
        const rest = text.slice(ESC.length);
        const match = SEQUENCE.exec(rest);
        if (match === null && UNFINISHED.test(rest)) {
          this.#unfinished = text;
          return inputs;
        }
        inputs.push(...(match?.groups === undefined ? key("escape") : sequence(match.groups)));
        text = rest.slice(match?.[0].length ?? 0);
        continue;
      }
      const [printable] = /^[^\p{Cc}]+/u.exec(text) ?? [];
      if (printable !== undefined) inputs.push({ kind: "text", text: printable });
      else inputs.push(...control(text.charAt(0)));
      text = text.slice(printable?.length ?? 1);
    }
    return inputs;
  }
}
