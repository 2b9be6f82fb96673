/** Marks of a connection beside its figures. */
import type { Connection } from "./connection.ts";

/** Whether a connection began while tcptop ran. A socket that only waits may be older than its first sight. */
export function hasBegun({ partial, remote, state }: Connection): boolean {
  return !partial && remote.port !== 0 && state !== "TIME_WAIT";
}

/** Whether a connection has come since the refresh before, also one that has gone again. */
export function isNew(connection: Connection): boolean {
  return connection.phase.kind !== "live" && hasBegun(connection);
}

/** Whether a name is the last user's of several (`+`), or of one that nobody was seen to use (`?`). */
export function ownerMark({ owner, shared, assumed }: Connection): "" | "+" | "?" {
  if (owner === null) return "";
  return assumed ? "?" : shared ? "+" : "";
}
