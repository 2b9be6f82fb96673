/** Numbers and endpoints as people read them. */
import prettyBytes from "pretty-bytes";
import type { Endpoint } from "./address.ts";

/** Shown in place of what is not known. */
export const UNKNOWN = "-";

/** `human`: `1.2 MB`; `raw`: `1234567 B`. Both are always a number and a unit. */
export type NumberStyle = "human" | "raw";

/** A size with three significant digits and a decimal unit (1 kB = 1000 B). */
export function formatBytes(bytes: number, style: NumberStyle = "human"): string {
  return style === "raw" ? `${bytes} B` : prettyBytes(bytes);
}

/** Bytes a second, whole; what moved at all is at least `1 B/s`. */
export function formatRate(bytesPerSecond: number, style: NumberStyle = "human"): string {
  const whole = bytesPerSecond > 0 ? Math.max(1, Math.round(bytesPerSecond)) : 0;
  return `${formatBytes(whole, style)}/s`;
}

const US_PER_MS = 1000;

/** A short time: `0.02 ms`, `23.1 ms`, `1.2 s`. */
export function formatMicros(us: number, style: NumberStyle = "human"): string {
  if (style === "raw") return `${us} us`;
  const ms = us / US_PER_MS;
  if (ms < 0.095) return `${ms.toFixed(2)} ms`;
  return ms < 999.95 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A span: `12 ms`, `3.2 s`, `12:04` (minutes:seconds), `26:00:01`. */
export function formatMillis(ms: number, style: NumberStyle = "human"): string {
  if (style === "raw" || ms < 1000) return `${ms} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [first, ...rest] = parts[0] === 0 ? parts.slice(1) : parts;
  return [String(first), ...rest.map((part) => String(part).padStart(2, "0"))].join(":");
}

/** `1.2.3.4:443`, `[2001:db8::7]:443`; a port that is not set is `*`, as in `ss`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${port === 0 ? "*" : port}`;
}

/** Local time of day, `12:04:31`. */
export function formatTimeOfDay(wallMs: number): string {
  const date = new Date(wallMs);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
