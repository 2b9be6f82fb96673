/** What a screen is made of: lines of styled spans, each line exactly as wide as the screen. */
import { clip, displayWidth } from "../base/width.ts";
import type { Tone } from "./tone.ts";

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export interface Line {
  readonly spans: readonly Span[];
  /** The whole line stands out: the selected row, a bar. */
  readonly reversed: boolean;
}

/** Cells of the terminal. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Frame {
  /** As many as the screen has rows. */
  readonly lines: readonly Line[];
  /** Where the text cursor blinks, null: hidden. */
  readonly cursor: { readonly x: number; readonly y: number } | null;
}

/** Writes one line from left to right; what does not fit is cut. */
export class LineWriter {
  readonly #columns: number;
  readonly #spans: Span[] = [];
  #used = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Cells that are free. */
  get left(): number {
    return this.#columns - this.#used;
  }

  add(text: string, tone: Tone = "plain"): this {
    const shown = clip(text, this.left);
    if (shown !== "") {
      this.#spans.push({ text: shown, tone });
      this.#used += displayWidth(shown);
    }
    return this;
  }

  /** Adds a text only if all of it fits. */
  addWhole(text: string, tone: Tone = "plain"): this {
    return displayWidth(text) <= this.left ? this.add(text, tone) : this;
  }

  /** Spaces up to a column. */
  to(column: number): this {
    return this.add(" ".repeat(Math.max(0, column - this.#used)));
  }

  done(reversed = false): Line {
    if (this.left > 0) this.add(" ".repeat(this.left));
    return { spans: this.#spans, reversed };
  }
}

export function textLine(text: string, columns: number, tone: Tone = "plain"): Line {
  return new LineWriter(columns).add(text, tone).done();
}

/** The plain text of a line. */
export function lineText({ spans }: Line): string {
  return spans.map(({ text }) => text).join("");
}
