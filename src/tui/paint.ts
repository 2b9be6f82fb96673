/** Colours: from the meaning of a span to terminal sequences. */
import { displayWidth } from "../base/width.ts";
import type { Line } from "../core/cells.ts";
import type { Tone } from "../core/tone.ts";

/** How many colours a terminal shows; 0: none, or none wanted. */
export type ColorDepth = 0 | 8 | 16 | 256;

type Palette = Readonly<Record<Tone, string>>;

/** Parameters of SGR, `ESC [ ... m`. Attributes are no colours: they stay without any. */
const MONOCHROME: Palette = {
  plain: "",
  quiet: "2",
  strong: "1",
  heading: "4",
  sorted: "1;4",
  picked: "7",
  good: "1",
  warn: "1",
  heat1: "",
  heat2: "",
  heat3: "1",
  heat4: "1",
};

const EIGHT: Palette = {
  ...MONOCHROME,
  heading: "36",
  sorted: "1;36",
  good: "32",
  warn: "1;33",
  heat1: "36",
  heat2: "32",
  heat3: "33",
  heat4: "1;31",
};

const PALETTES: Readonly<Record<ColorDepth, Palette>> = {
  0: MONOCHROME,
  8: EIGHT,
  16: { ...EIGHT, quiet: "90" },
  // Middle tones, for dark and light backgrounds alike.
  256: {
    ...MONOCHROME,
    quiet: "38;5;244",
    heading: "38;5;67",
    sorted: "1;38;5;67",
    good: "38;5;35",
    warn: "1;38;5;172",
    heat1: "38;5;37",
    heat2: "38;5;71",
    heat3: "38;5;172",
    heat4: "1;38;5;203",
  },
};

/** Stand-ins for terminals without UTF-8. */
const ASCII: Readonly<Record<string, string>> = {
  "▁": "_",
  "▂": "_",
  "▃": ".",
  "▄": "-",
  "▅": "=",
  "▆": "*",
  "▇": "%",
  "█": "#",
  "…": "~",
  "·": "-",
  "→": ">",
  "←": "<",
  "▼": "v",
  "▲": "^",
  "↑": "^",
  "↓": "v",
  "×": "x",
  "▸": ">",
  "▾": "v",
};

/** Text of the same width in ASCII alone. */
function toAscii(text: string): string {
  return text.replace(/[^ -~]/gu, (character) => ASCII[character] ?? "?".repeat(displayWidth(character)));
}

export interface Painter {
  readonly colors: ColorDepth;
  readonly isUtf8: boolean;
}

/** A line as the terminal is sent it, from plain attributes back to plain ones. */
export function paintLine({ spans, reversed }: Line, { colors, isUtf8 }: Painter): string {
  const shown = isUtf8 ? (text: string) => text : toAscii;
  if (reversed) return `\x1b[7m${shown(spans.map(({ text }) => text).join(""))}\x1b[0m`;
  const palette = PALETTES[colors];
  return spans
    .map(({ text, tone }) => {
      const sgr = palette[tone];
      return sgr === "" ? shown(text) : `\x1b[${sgr}m${shown(text)}\x1b[0m`;
    })
    .join("");
}
