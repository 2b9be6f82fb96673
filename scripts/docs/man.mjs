// The parts of the manual page that the program knows, as mdoc.

/** @typedef {import("./completions.mjs").Option} Option */

/**
 * Text as roff shows it: no macro, no escape, ASCII only.
 * @param {string} text
 */
function roff(text) {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^[.']/, "\\&$&")
    .replace(
      /[^\x20-\x7e]/g,
      (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}

/**
 * As an argument of a macro: quoted, and not taken for a macro itself.
 * @param {string} text
 */
function argument(text) {
  return `"${roff(text).replaceAll('"', "\\(dq")}"`;
}

/**
 * With a capital, unless it begins with a word that is meant literally, and a full stop.
 * @param {string} text
 * @param {readonly string[]} literals
 */
function sentence(text, literals = []) {
  const [first = ""] = text.match(/^\w+/) ?? [];
  const begun = literals.includes(first) ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return text.endsWith(".") ? begun : `${begun}.`;
}

const WIDTH = 80;

/**
 * A line of text in lines that are not too long for roff's readers.
 * @param {string} line
 */
function wrap(line) {
  const lines = [""];
  for (const word of line.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join("\n");
}

/** @param {string} name */
function flag(name) {
  return `Fl ${name.slice(1).replace(/^-/, "\\-")}`;
}

/** @param {Option} option */
function optionItem({ short, long, placeholder, description, accepted, choices }) {
  const flags = [short, long].filter((name) => name !== null).map(flag);
  const value = placeholder === null ? "" : ` Ar ${placeholder}`;
  const isTold = choices.length > 0 && choices.every((choice) => description.includes(choice));
  return [
    `.It ${flags.join(" , ")}${value}`,
    wrap(roff(sentence(description, choices))),
    ...(accepted === null || isTold ? [] : [wrap(roff(sentence(`takes ${accepted}`)))]),
  ].join("\n");
}

/**
 * The options, each group under its heading.
 * @param {readonly Option[]} options
 */
export function optionList(options) {
  const groups = [...new Set(options.map(({ group }) => group))];
  return groups
    .map((group) =>
      [
        `.Ss ${roff(group.replace(/ \(.*|:$/g, ""))}`,
        ".Bl -tag -width Ds",
        ...options.filter((option) => option.group === group).map(optionItem),
        ".El",
      ].join("\n"),
    )
    .join("\n");
}

/**
 * The keys of the screen.
 * @param {readonly (readonly [key: string, meaning: string])[]} keys
 */
export function keyList(keys) {
  const items = keys.map(([key, meaning]) => `.It ${argument(key)}\n${roff(sentence(meaning))}`);
  return [".Bl -tag -compact -width Tab_left_right", ...items, ".El"].join("\n");
}

/**
 * The counters of what was lost.
 * @param {readonly import("../../src/core/losses.ts").LossCounter[]} counters
 */
export function lossList(counters) {
  const items = counters.map(
    ({ key, counts }) => `.It Cm ${key}\n${wrap(roff(sentence(counts, ["tcptop"])))}`,
  );
  return [".Bl -tag -width Ds", ...items, ".El"].join("\n");
}

/**
 * Puts the parts where the page has their marks. Throws when a mark is missing.
 * @param {string} page
 * @param {Record<string, string>} parts
 */
export function fillPage(page, parts) {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const marks = new RegExp(`(\\.\\\\" begin ${name}\\b[^\\n]*\\n)[^]*?(\\.\\\\" end ${name}\\n)`);
    if (!marks.test(text)) throw new Error(`man/tcptop.8 has no marks for ${name}`);
    return text.replace(marks, (_, begin, end) => `${begin}${part}\n${end}`);
  }, page);
}
