import { describe, expect, test } from "vitest";
import {
  NEW,
  nextPhase,
  type PhaseEvent,
  type RowPhase,
} from "../../../../../src/lenses/flows/model/phase.ts";

const LIVE: RowPhase = { kind: "live" };
const CLOSING: RowPhase = { kind: "closing", closedNs: 7 };
const GONE: RowPhase = { kind: "gone" };
const SHOWN: PhaseEvent = { kind: "shown" };
const DROPPED: PhaseEvent = { kind: "dropped" };
const CLOSED: PhaseEvent = { kind: "closed", closedNs: 9 };

describe("nextPhase", () => {
  test.each<[RowPhase, PhaseEvent, RowPhase]>([
    [NEW, SHOWN, LIVE],
    [NEW, DROPPED, GONE],
    [NEW, CLOSED, { kind: "closing", closedNs: 9 }],
    [LIVE, SHOWN, LIVE],
    [LIVE, DROPPED, LIVE],
    [LIVE, CLOSED, { kind: "closing", closedNs: 9 }],
    [CLOSING, SHOWN, GONE],
    [CLOSING, DROPPED, CLOSING],
    [CLOSING, CLOSED, CLOSING],
    [GONE, SHOWN, GONE],
    [GONE, DROPPED, GONE],
    [GONE, CLOSED, GONE],
  ])("%o on %o is %o", (phase, event, next) => {
    expect(nextPhase(phase, event)).toEqual(next);
  });

  test.each([LIVE, CLOSING, GONE])("%o keeps its identity where nothing changes", (phase) => {
    const event = phase.kind === "live" ? SHOWN : CLOSED;
    expect(nextPhase(phase, event)).toBe(phase);
  });
});
