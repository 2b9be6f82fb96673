// What a terminal shows, text with SGR colours, as an SVG picture.
import { fromDist } from "./lib.mjs";

const { displayWidth } = /** @type {typeof import("../src/base/width.ts")} */ (await fromDist("base/width"));

const FONT_PX = 14;
const CELL_PX = 8.4;
const LINE_PX = 18;
const BASELINE_PX = 13.5;
const MARGIN_PX = 14;
const BACKGROUND = "#16181d";
const FOREGROUND = "#d3d7de";
const FONTS = "ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/** The first 16 colours; the others follow xterm's cube and grey ramp. */
const NAMED = [
  ["#1d1f21", "#d35f5f", "#5faf5f", "#d7a05f", "#5f87af", "#af87af", "#5fafaf", "#c5c8c6"],
  ["#808080", "#ff5f5f", "#87d787", "#ffd787", "#87afd7", "#d7afd7", "#87d7d7", "#ffffff"],
].flat();

/** @typedef {{ fill: string, bold: boolean, dim: boolean, reverse: boolean }} Style */
/** @typedef {{ text: string, style: Style, x: number, cells: number }} Run */

/** @type {Style} */
const PLAIN = { fill: FOREGROUND, bold: false, dim: false, reverse: false };

/** One half of the block elements: ▁ (one eighth of a cell) to █. */
const BLOCKS = "▁▂▃▄▅▆▇█";

/** @param {number[]} parts */
function hex(...parts) {
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * @param {number} index
 * @returns {string}
 */
function color(index) {
  if (index < 16) return NAMED[index] ?? FOREGROUND;
  if (index >= 232) return hex(...Array(3).fill(8 + 10 * (index - 232)));
  const level = (/** @type {number} */ step) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = index - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/**
 * The style after `ESC [ parameters m`; what is not known changes nothing.
 * @param {Style} style
 * @param {string} parameters
 */
function restyled(style, parameters) {
  let next = { ...style };
  const codes = parameters.split(";").map(Number);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) next = { ...PLAIN };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 7) next.reverse = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 27) next.reverse = false;
    else if (code >= 30 && code <= 37) next.fill = color(code - 30);
    else if (code >= 90 && code <= 97) next.fill = color(code - 82);
    else if (code === 39) next.fill = FOREGROUND;
    else if (code === 38 && codes[i + 1] === 5) {
      next.fill = color(codes[i + 2] ?? 0);
      i += 2;
    }
  }
  return next;
}

/**
 * Lines of runs of one style each, with the cell where each begins.
 * @param {string} text
 */
function parse(text) {
  let style = PLAIN;
  return text.split("\n").map((line) => {
    /** @type {Run[]} */
    const runs = [];
    let x = 0;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
    for (const [part, parameters] of line.matchAll(/\x1b\[([\d;]*)m|[^\x1b]+/g)) {
      if (parameters !== undefined) {
        style = restyled(style, parameters);
        continue;
      }
      const cells = displayWidth(part);
      runs.push({ text: part, style, x, cells });
      x += cells;
    }
    return runs;
  });
}

/** @param {number} value */
function px(value) {
  return String(Math.round(value * 100) / 100);
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** @param {Style} style */
function attributes({ fill, bold, dim, reverse }) {
  const shown = reverse ? BACKGROUND : fill;
  return [
    shown === FOREGROUND ? "" : ` fill="${shown}"`,
    bold ? ' font-weight="bold"' : "",
    dim ? ' opacity=".6"' : "",
  ].join("");
}

/**
 * Words that stand together; each keeps its place and width whatever font there is.
 * @param {Run} run
 * @param {number} y
 */
function words({ text, x, style }, y) {
  return Array.from(text.matchAll(/\S+(?: \S+)*/g), ({ 0: word, index }) => {
    const left = px(MARGIN_PX + (x + displayWidth(text.slice(0, index))) * CELL_PX);
    const length = px(displayWidth(word) * CELL_PX);
    return `<text x="${left}" y="${px(y + BASELINE_PX)}" textLength="${length}" xml:space="preserve"${attributes(style)}>${escaped(word)}</text>`;
  });
}

/**
 * Bars are drawn: fonts differ in how they fill a cell.
 * @param {Run} run
 * @param {number} y
 */
function bars({ text, x, style }, y) {
  const path = Array.from(text, (character, i) => {
    const height = ((BLOCKS.indexOf(character) + 1) * LINE_PX) / BLOCKS.length;
    if (height === 0) return "";
    const left = MARGIN_PX + (x + i) * CELL_PX;
    return `M${px(left)} ${px(y + LINE_PX)}v${px(-height)}h${px(CELL_PX)}v${px(height)}z`;
  }).join("");
  return path === "" ? [] : [`<path d="${path}"${attributes(style)}/>`];
}

/**
 * @param {Run} run
 * @param {number} y
 */
function ground({ x, cells, style }, y) {
  if (!style.reverse) return [];
  return [
    `<rect x="${px(MARGIN_PX + x * CELL_PX)}" y="${px(y)}" width="${px(cells * CELL_PX)}" height="${LINE_PX}"/>`,
  ];
}

/** @param {Run} run */
function isBars({ text }) {
  return /[▁-█]/.test(text) && /^[ ▁-█]*$/.test(text);
}

/**
 * The picture of a screen of `columns` by `rows` that shows `text`, which says `title` to who cannot see it.
 * @param {string} text
 * @param {{ columns: number, rows: number, title: string }} screen
 */
export function terminalSvg(text, { columns, rows, title }) {
  const width = px(columns * CELL_PX + 2 * MARGIN_PX);
  const height = px(rows * LINE_PX + 2 * MARGIN_PX);
  const lines = parse(text)
    .slice(0, rows)
    .flatMap((runs, row) => {
      const y = MARGIN_PX + row * LINE_PX;
      return runs.flatMap((run) => [...ground(run, y), ...(isBars(run) ? bars : words)(run, y)]);
    });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>`,
    `<g font-family="${FONTS}" font-size="${FONT_PX}" fill="${FOREGROUND}">`,
    ...lines,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}
