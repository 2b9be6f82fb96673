/** The life of a row as a transition table. */
import type { Phase } from "../connection.ts";

/** What a row is: a phase that can be shown, or gone for good. */
export type RowPhase = Phase | { readonly kind: "gone" };

/** What can happen to a row. */
export type PhaseEvent =
  /** A refresh has shown it. */
  | { readonly kind: "shown" }
  /** It was none, before it was shown. */
  | { readonly kind: "dropped" }
  /** It is over since `closedNs` (CLOCK_MONOTONIC). */
  | { readonly kind: "closed"; readonly closedNs: number };

export const NEW: RowPhase = { kind: "new" };
const LIVE: RowPhase = { kind: "live" };
const GONE: RowPhase = { kind: "gone" };

type Transition = (phase: RowPhase, event: PhaseEvent) => RowPhase;

const stay: Transition = (phase) => phase;
const toLive: Transition = () => LIVE;
const toGone: Transition = () => GONE;
const toClosing: Transition = (_, event) =>
  event.kind === "closed" ? { kind: "closing", closedNs: event.closedNs } : GONE;

/** The first close stands: what comes after it never moves its time. */
const TRANSITIONS: Record<RowPhase["kind"], Record<PhaseEvent["kind"], Transition>> = {
  new: { shown: toLive, dropped: toGone, closed: toClosing },
  live: { shown: stay, dropped: stay, closed: toClosing },
  closing: { shown: toGone, dropped: stay, closed: stay },
  gone: { shown: stay, dropped: stay, closed: stay },
};

/** The phase after an event; the same object when nothing changes. */
export function nextPhase(phase: RowPhase, event: PhaseEvent): RowPhase {
  return TRANSITIONS[phase.kind][event.kind](phase, event);
}
