/** Makes text from outside harmless to a terminal, and visible: nothing in it can move, hide or reorder. */

const PLAIN = /^[ -[\]-~]*$/;

/**
 * Control characters, format characters (bidi, zero-width), lone surrogates, private and unassigned
 * characters, separators other than the space, characters that a renderer may leave out, a combining
 * mark with nothing before it to combine with, and the backslash, so that two different texts stay different.
 */
const UNSAFE =
  /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\\]|(?! )\p{Zs}|^\p{M}|(?<=[\p{C}\p{Z}])\p{M}/gu;

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\\") return "\\\\";
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\u{${code.toString(16)}}`;
}

/**
 * Text as it may be sent anywhere: unsafe characters become `\x1b`, `\u202e` or `\u{e0001}`, a
 * backslash is doubled, everything else stays. Every text from outside goes through here once.
 */
export function sanitise(text: string): string {
  return PLAIN.test(text) ? text : text.replace(UNSAFE, escapeCharacter);
}
