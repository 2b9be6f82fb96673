/** Where a replay is. */

/** Where a recording is, and how it is played. */
export interface PlayStatus {
  /** The recording; from outside. */
  readonly name: string;
  /** From its first refresh to the one that is shown. */
  readonly positionNs: number;
  /** null: not known. */
  readonly lengthNs: number | null;
  /** Times as fast as it was. */
  readonly speed: number;
  readonly mode: "playing" | "paused" | "seeking" | "end";
}

/** `00:42`, `1:02:03`. */
function formatPosition(ns: number): string {
  const seconds = Math.round(ns / 1e9);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return (parts[0] === 0 ? parts.slice(1) : parts).map((part) => String(part).padStart(2, "0")).join(":");
}

/** `00:42 / 03:10 ×4 paused`. */
export function playText({ positionNs, lengthNs, speed, mode }: PlayStatus): string {
  const length = lengthNs === null ? "" : ` / ${formatPosition(lengthNs)}`;
  return `${formatPosition(positionNs)}${length} ×${speed}${mode === "playing" ? "" : ` ${mode}`}`;
}
