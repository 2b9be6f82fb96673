/** Graphs of block characters. */

const BLOCKS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const STEPS = BLOCKS.length - 1;

/**
 * A bar for each value, the newest at the right, in `height` lines of `width` cells; without values
 * the left stays empty. The scale runs from 0 to the largest value shown; what is not zero is seen.
 */
export function barGraph(values: readonly number[], width: number, height: number): string[] {
  const shown = width > 0 ? values.slice(-width) : [];
  const largest = shown.reduce((a, b) => Math.max(a, b), 0);
  const levels = shown.map((value) =>
    value > 0 ? Math.max(1, Math.round((value / largest) * STEPS * height)) : 0,
  );
  return Array.from({ length: height }, (_, line) => {
    const floor = (height - 1 - line) * STEPS;
    const cells = levels.map((level) => BLOCKS[Math.min(Math.max(level - floor, 0), STEPS)]);
    return cells.join("").padStart(width);
  });
}
