/** A line of text that is being typed. */
import { sanitise } from "../base/sanitise.ts";
import { clip, displayWidth } from "../base/width.ts";

/** `cursor`: characters before it. */
export interface Typed {
  readonly text: string;
  readonly cursor: number;
}

/** Longest text; a name or an address is shorter. */
const MOST_CHARACTERS = 64;

/** Characters with the marks that are on them, which come and go together. */
export function charactersOf(text: string): string[] {
  return text.match(/\P{M}\p{M}*|\p{M}+/gu) ?? [];
}

function isHarmless(text: string): boolean {
  const others = text.replaceAll("\\", "");
  return sanitise(others) === others;
}

/**
 * Puts typed or pasted text at the cursor. What is never shown as it is, such as bidi marks, is left out: what
 * is searched is what is shown, so that it could match nothing.
 */
export function typeText({ text, cursor }: Typed, typed: string): Typed {
  const characters = charactersOf(text);
  const after = characters.slice(cursor).join("");
  let before = characters.slice(0, cursor).join("");
  let room = MOST_CHARACTERS - [...text].length;
  for (const character of typed) {
    if (room === 0) break;
    if (!isHarmless(before + character + after)) continue;
    before += character;
    room--;
  }
  return { text: before + after, cursor: charactersOf(before).length };
}

function without({ text }: Typed, from: number, to: number): Typed {
  const characters = charactersOf(text);
  return { text: [...characters.slice(0, from), ...characters.slice(to)].join(""), cursor: from };
}

type Edit = (typed: Typed) => Typed;

const EDITS: Readonly<Record<string, Edit>> = {
  left: ({ text, cursor }) => ({ text, cursor: Math.max(0, cursor - 1) }),
  right: ({ text, cursor }) => ({ text, cursor: Math.min(charactersOf(text).length, cursor + 1) }),
  home: ({ text }) => ({ text, cursor: 0 }),
  end: ({ text }) => ({ text, cursor: charactersOf(text).length }),
  delete: (typed) => without(typed, typed.cursor, typed.cursor + 1),
  backspace: (typed) => without(typed, Math.max(0, typed.cursor - 1), typed.cursor),
  "ctrl-w"(typed) {
    const before = charactersOf(typed.text).slice(0, typed.cursor).join("");
    return without(typed, charactersOf(before.replace(/\S*\s*$/, "")).length, typed.cursor);
  },
  "ctrl-u": (typed) => without(typed, 0, typed.cursor),
};
const SAME: Readonly<Record<string, string>> = { "ctrl-a": "home", "ctrl-e": "end" };

/** The line after a key; the same where the key edits nothing. */
export function pressKey(typed: Typed, name: string): Typed {
  const edit = SAME[name] ?? name;
  return Object.hasOwn(EDITS, edit) ? (EDITS[edit]?.(typed) ?? typed) : typed;
}

/** The part of the line that fits into `cells` with the cursor in it, and the cells before the cursor. */
export function visiblePart({ text, cursor }: Typed, cells: number): { text: string; x: number } {
  const characters = charactersOf(text);
  let first = 0;
  let x = displayWidth(characters.slice(0, cursor).join(""));
  while (x >= cells && first < cursor) x -= displayWidth(characters[first++] ?? "");
  return { text: clip(characters.slice(first).join(""), cells), x };
}
