/** Texts with a style. */
import { UNKNOWN } from "../base/format.ts";

/** Styles by meaning; the renderer chooses the colours. Heat rises with the rate. */
export type Tone =
  | "plain"
  | "quiet"
  | "strong"
  | "heading"
  | "sorted"
  | "picked"
  | "good"
  | "warn"
  | "heat1"
  | "heat2"
  | "heat3"
  | "heat4";

export interface Shown {
  readonly text: string;
  readonly tone: Tone;
}

/** What is not known is quiet. */
export function plain(text: string): Shown {
  return { text, tone: text === UNKNOWN ? "quiet" : "plain" };
}

/** Bytes a second from which a rate is drawn in each heat. */
const HEAT: readonly (readonly [from: number, tone: Tone])[] = [
  [10e6, "heat4"],
  [1e6, "heat3"],
  [100e3, "heat2"],
  [1e3, "heat1"],
];

export function heatOf(bytesPerSecond: number): Tone {
  if (bytesPerSecond === 0) return "quiet";
  return HEAT.find(([from]) => bytesPerSecond >= from)?.[1] ?? "plain";
}
