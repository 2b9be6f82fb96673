/** The page of keys. */
import { sanitise } from "../base/sanitise.ts";
import { displayWidth, padEnd } from "../base/width.ts";
import { type Line, LineWriter, type Size, textLine } from "../core/cells.ts";
import type { Described } from "../core/lens.ts";
import type { Privileges } from "../platform/platform.ts";
import { type HelpedLens, isRefusal, type SessionInfo } from "./header.ts";

/** What the keys do. Sort keys and switches are those of the lenses. */
const KEYS_BEFORE: Described = [
  ["q  F10", "quit; also Ctrl-C"],
  ["↑ ↓  j k", "move; PgUp PgDn, Home End, g G"],
  ["Enter", "details; open or close a group"],
];
const KEYS_OF_ROWS: Described = [
  ["Tab ← →", "pick a column, Enter sorts; also F6"],
  ["< >", "sort by the column beside"],
  ["I", "reverse; so does a sort key again"],
  ["Space  Z", "pause and resume; counting goes on"],
  ["o", "freeze the order"],
  ["F", "scroll with the selected row"],
  ["c", "more columns"],
  ["m", "rates or totals"],
  ["b", "raw or readable numbers"],
];
const KEYS_AFTER: Described = [
  ["+ -", "slower, faster refresh"],
  ["Ctrl-L", "draw anew"],
  ["Ctrl-Z", "suspend"],
];

/** The keys of a screen with these lenses. */
export function keysOf(lenses: readonly HelpedLens[]): Described {
  const titles = lenses.flatMap(({ views }) => views.map(({ title }) => title));
  const filterWords = lenses.map(({ help }) => help.filterWords).filter(Boolean);
  return [
    ...KEYS_BEFORE,
    ["v  F5", titles.join(", ")],
    ["/  F4", `filter by ${filterWords.join(", ")}`],
    ["Esc", "back; clear the filter"],
    ...lenses.flatMap(({ help }) => help.keys),
    ...KEYS_OF_ROWS,
    ...lenses.flatMap(({ switches }) => switches.map(({ key, meaning }) => [key, meaning] as const)),
    ...KEYS_AFTER,
  ];
}

/** In place of those that mean something else, or nothing, in a replay. */
const PLAYER_KEYS: Described = [
  ["Space  Z", "pause the replay, and go on"],
  ["[ ]", "back, forward by 10 s"],
  ["{ }", "back, forward by 60 s"],
  ["+ -", "faster, slower"],
];

const MARKS: Described = [
  ["+", "new since the last refresh"],
  ["-", "closed; gone at the next refresh"],
];

const KEY_CELLS = 11;

/** Two pages side by side need so much room. */
const TWO_COLUMNS = 100;

function keyTexts([keys, meaning]: readonly [string, string], columns: number): string[] {
  return wrap(meaning, columns - KEY_CELLS).map(
    (text, i) => ` ${padEnd(i === 0 ? keys : "", KEY_CELLS)}${text.slice(1)}`,
  );
}

function sideBySide(keys: Described, columns: number): string[] {
  const textsOf = (some: typeof keys, cells: number) => some.flatMap((pair) => keyTexts(pair, cells));
  if (columns < TWO_COLUMNS) return textsOf(keys, columns);
  const half = Math.ceil(keys.length / 2);
  const cells = Math.floor(columns / 2);
  const left = textsOf(keys.slice(0, half), cells);
  const right = textsOf(keys.slice(half), cells);
  const rows = Math.max(left.length, right.length);
  return Array.from({ length: rows }, (_, i) => padEnd(left[i] ?? "", cells) + (right[i] ?? ""));
}

/** In a replay the keys of the player come first. */
function keysFor({ isReplay, lenses }: SessionInfo): Described {
  const all = keysOf(lenses);
  if (!isReplay) return all;
  const played = new Set(PLAYER_KEYS.map(([keys]) => keys));
  const others = all.filter(([keys]) => !played.has(keys));
  return [...others.slice(0, 1), ...PLAYER_KEYS, ...others.slice(1)];
}

/** Whole words in as many lines as they need; a word longer than a line stands alone. */
function wrap(text: string, columns: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (displayWidth(longer) <= columns || lines.at(-1) === "") lines[lines.length - 1] = longer;
    else lines.push(` ${word}`);
  }
  return lines;
}

/** What tcptop may still do, in a sentence or two. */
function privilegesText({
  uid,
  capabilities,
  hasLandlock,
  hasSeccomp,
  brokerCapabilities,
}: Privileges): string {
  const own = capabilities.length === 0 ? "without capabilities" : `with ${capabilities.join(", ")}`;
  const confined = [...(hasLandlock ? ["Landlock"] : []), ...(hasSeccomp ? ["seccomp"] : [])];
  const under = confined.length === 0 ? "" : `, under ${confined.join(" and ")}`;
  const broker = brokerCapabilities.length === 0 ? "no capabilities" : brokerCapabilities.join(", ");
  return `Runs as user ${uid} ${own}${under}; what loads and opens for it, tcptop-broker, has ${broker}.`;
}

/** Sentences below the keys. */
function remarksOf(info: SessionInfo): string[] {
  const { backend, kernel, stepDowns, lenses, facts, privileges, isReplay } = info;
  return [
    "A filter changes the sums above the table too. Those of a filter that is typed begin when it is typed.",
    "Graphs have a bar for each refresh, the last one at the right; the peak is the highest bar.",
    "Sizes are decimal (1 kB is 1000 B).",
    ...lenses.flatMap(({ id, help }) => help.remarks(facts.get(id))),
    `Backend ${sanitise(backend)}, Linux ${sanitise(kernel)}.`,
    ...(privileges && !isReplay ? [privilegesText(privileges)] : []),
    ...stepDowns.map((stepDown) => {
      const refused = isRefusal(stepDown, info) ? "Not " : "";
      return `${refused}${sanitise(stepDown.backend)}: ${sanitise(stepDown.reason)}`;
    }),
  ];
}

function titleTexts({ version }: SessionInfo, columns: number): string[] {
  return wrap(
    `tcptop ${version}: every TCP connection and UDP flow, who owns it, exact to the byte`,
    columns,
  );
}

function helpTexts(info: SessionInfo, columns: number): string[] {
  return [
    ...titleTexts(info, columns),
    "",
    ...sideBySide(keysFor(info), columns),
    "",
    ...sideBySide([...MARKS, ...info.lenses.flatMap(({ help }) => help.marks)], columns),
    "",
    ...remarksOf(info).flatMap((text) => wrap(text, columns)),
  ];
}

/** How far the page can be scrolled. */
export function helpScrollLimit(info: SessionInfo, { columns, rows }: Size): number {
  return Math.max(0, helpTexts(info, columns).length - (rows - 1));
}

/** The page from line `top` on, and a bar that says how to leave. */
export function helpLines(info: SessionInfo, top: number, size: Size): Line[] {
  const texts = helpTexts(info, size.columns);
  const titleRows = titleTexts(info, size.columns).length;
  const first = Math.min(top, helpScrollLimit(info, size));
  const body = Array.from({ length: size.rows - 1 }, (_, i) => {
    const index = first + i;
    return textLine(texts[index] ?? "", size.columns, index < titleRows ? "strong" : "plain");
  });
  const more = first + body.length < texts.length ? "   ↓ more" : "";
  return [...body, new LineWriter(size.columns).add(` Esc back${more}`).done(true)];
}
