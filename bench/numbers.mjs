// Small arithmetic, and the plain table of the report.

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which `share` of the values are, between neighbours in proportion. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}

export const sum = (values) => values.reduce((total, value) => total + value, 0);

/** A number with thousands separated; null is a dash. */
export function show(value, digits = 0) {
  if (value === null) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** How a value stands to its limit, in words. */
export function against(value, limit, unit) {
  return `${value <= limit ? "within" : "OVER"} ${show(limit)} ${unit}`;
}

/** Rows of text as columns: the first and the last to the left, numbers between them to the right. */
export function table(title, head, rows) {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
  const line = (row) =>
    row
      .map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd();
  return `${[title, ...[head, ...rows].map((row) => `  ${line(row)}`)].join("\n")}\n`;
}
