// The parts of README.md that the program knows, as Markdown.

/**
 * The counters of what was lost: what each counts, and what then is missing.
 * @param {readonly import("../../src/core/losses.ts").LossCounter[]} counters
 */
export function lossTable(counters) {
  const rows = counters.map(({ key, counts, missing }) => {
    const [unit, fate] = missing ?? [null, "nothing"];
    const nouns = unit === "bytes" ? unit : `${unit}s`;
    return `| \`${key}\` | ${counts} | ${unit === null ? fate : `${nouns} ${fate}`} |`;
  });
  return ["| counter | what it counts | what is missing |", "|---|---|---|", ...rows].join("\n");
}

/**
 * Puts the parts where the text has their marks. Throws when a mark is missing.
 * @param {string} readme
 * @param {Record<string, string>} parts
 */
export function fillReadme(readme, parts) {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const marks = new RegExp(`(<!-- begin ${name}\\b[^\\n]*\\n)[^]*?(<!-- end ${name} -->\\n)`);
    if (!marks.test(text)) throw new Error(`README.md has no marks for ${name}`);
    return text.replace(marks, (_, begin, end) => `${begin}${part}\n${end}`);
  }, readme);
}
