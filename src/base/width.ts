/** How many terminal cells a text takes, and texts in so many cells. */

const ASCII = /^[ -~]*$/;

/** Marks, and the vowels and final consonants that complete a Hangul syllable in the cells of its first. */
const ZERO_WIDTH = /[\p{M}\u1160-\u11ff\ud7b0-\ud7ff]/gu;

/**
 * East Asian Wide and Fullwidth (UAX #11), by block, and emoji that are drawn as pictures; the letters that
 * make a flag by twos are narrow.
 */
const DOUBLE_WIDTH =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|(?!\p{RI})\p{Emoji_Presentation}/gu;

/** Cells of sanitised text; ambiguous characters count as one, as terminals outside East Asia do. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  const shown = text.replace(ZERO_WIDTH, "");
  return [...shown].length + (shown.match(DOUBLE_WIDTH)?.length ?? 0);
}

/** Fills up with spaces at the right to `cells`; a longer text stays as it is. */
export function padEnd(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - displayWidth(text)));
}

/** Fills up with spaces at the left to `cells`; a longer text stays as it is. */
export function padStart(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - displayWidth(text))) + text;
}

/** The characters from the front that fit into `cells`. */
function take(characters: readonly string[], cells: number): string {
  let used = 0;
  let text = "";
  for (const character of characters) {
    used += displayWidth(character);
    if (used > cells) break;
    text += character;
  }
  return text;
}

/** The first `cells` cells of a text; a wide character that would stand across the edge is left out. */
export function clip(text: string, cells: number): string {
  return displayWidth(text) <= cells ? text : take([...text], cells);
}

/** A text in at most `cells` cells, ended by `…` where it is too long. */
export function truncate(text: string, cells: number): string {
  return displayWidth(text) <= cells ? text : `${clip(text, cells - 1)}…`;
}

/** A text in at most `cells` cells, the middle replaced by `…` where it is too long. */
export function shorten(text: string, cells: number): string {
  if (displayWidth(text) <= cells) return text;
  if (cells < 3) return clip(text, cells);
  const characters = [...text];
  const head = take(characters, Math.ceil((cells - 1) / 2));
  const tail = [...take(characters.toReversed(), Math.floor((cells - 1) / 2))].toReversed().join("");
  return `${head}…${tail.replace(/^\p{M}+/u, "")}`;
}
