// Small arithmetic, and the plain table of the report.

/**
 * The middle value; of an even number of values, the mean of the two in the middle. NaN of none.
 * @param {readonly number[]} values
 */
export function median(values) {
  return quantile(values, 0.5);
}

/**
 * The value below which `share` of the values are, between neighbours in proportion. NaN of none.
 * @param {readonly number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return below + (above - below) * (place - Math.floor(place));
}

/** @param {readonly number[]} values */
export const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * A number with thousands separated; null is a dash.
 * @param {number | null} value
 */
export function show(value, digits = 0) {
  if (value === null) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * How a value stands to its limit, in words.
 * @param {number} value
 * @param {number} limit
 * @param {string} unit
 */
export function against(value, limit, unit) {
  return `${value <= limit ? "within" : "OVER"} ${show(limit)} ${unit}`;
}

/**
 * Rows of text as columns: the first and the last to the left, numbers between them to the right.
 * @param {string} title
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function table(title, head, rows) {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  /** @param {readonly string[]} row */
  const line = (row) =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return i === 0 || i === row.length - 1 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return `${[title, ...[head, ...rows].map((row) => `  ${line(row)}`)].join("\n")}\n`;
}
