/** What refreshes go to: the log, the stream, the screen. */

/**
 * What becomes of a refresh that a sink cannot take now. `must write`: its events wait, and it is an error where some are
 * missing at the end. `merge`: its events wait, and what finds no room is counted. `latest only`: it is forgotten, since
 * the next one shows all there is.
 */
export const POLICIES = ["must write", "merge", "latest only"] as const;
export type Policy = (typeof POLICIES)[number];

export interface Sink<Refresh> {
  readonly policy: Policy;
  /** Takes the existing rows. The first refresh comes one delay later. */
  start(refresh: Refresh): void;
  refresh(refresh: Refresh, isLast: boolean): void;
  /** Whether it takes nothing more. */
  readonly hasEnded: boolean;
  /** Calls back once, when a failure ends it. */
  onEnd?(listener: () => void): void;
  /** A fault while it goes on, in words; empty: none. */
  readonly warning?: string;
  /** Resolves once every refresh is taken. A capture does not wait; a replay does. */
  ready?(): Promise<void>;
  /** Takes in a refresh that a seek passes over, without showing it. */
  pass?(refresh: Refresh): void;
  /** Forgets all refreshes: the recording is played from its start again. */
  rewind?(): void;
  /** Shows a changed position or pace of the replay. */
  played?(): void;
}
