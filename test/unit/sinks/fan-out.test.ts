import { expect, test } from "vitest";
import type { Policy, Sink } from "../../../src/core/sink.ts";
import { FanOut } from "../../../src/sinks/fan-out.ts";

function made() {
  const calls: string[] = [];
  class FakeSink implements Sink<number> {
    hasEnded = false;
    endsAt = 0;
    readonly policy: Policy;

    constructor(policy: Policy) {
      this.policy = policy;
    }

    start(refresh: number): void {
      calls.push(`${this.policy}: start ${refresh}`);
    }

    refresh(refresh: number, isLast: boolean): void {
      calls.push(`${this.policy}: ${refresh}${isLast ? " last" : ""}`);
      this.hasEnded = refresh === this.endsAt;
    }
  }
  const [screen, stream, log] = [
    new FakeSink("latest only"),
    new FakeSink("merge"),
    new FakeSink("must write"),
  ];
  return { calls, screen, stream, log, all: new FanOut<number>([screen, stream, log]) };
}

test("what must be written comes first, what shows the latest only last", () => {
  const { calls, all } = made();
  all.start(1);
  all.refresh(2, false);
  all.refresh(3, true);
  expect(calls).toEqual([
    ...["must write: start 1", "merge: start 1", "latest only: start 1"],
    ...["must write: 2", "merge: 2", "latest only: 2"],
    ...["must write: 3 last", "merge: 3 last", "latest only: 3 last"],
  ]);
  expect(all.hasEnded).toBe(false);
});

test("the end of one is the end of all, and the others are told in the same refresh", () => {
  const { calls, stream, all } = made();
  stream.endsAt = 2;
  all.start(1);
  all.refresh(2, false);
  expect(calls.slice(3)).toEqual(["must write: 2", "merge: 2", "latest only: 2 last"]);
  expect(all.hasEnded).toBe(true);
});

test("is ready when each sink that takes its time is", async () => {
  const { stream, screen } = made();
  const order: string[] = [];
  let free: () => void = () => {};
  const busy: Sink<number> = {
    policy: "merge",
    hasEnded: false,
    start: () => {},
    refresh: () => {},
    ready: () =>
      new Promise((resolve) => {
        free = resolve;
      }),
  };
  const done = new FanOut<number>([stream, busy, screen]).ready().then(() => order.push("ready"));
  await Promise.resolve();
  order.push("free");
  free();
  await done;
  expect(order).toEqual(["free", "ready"]);
});

test("only sinks that can seek are told of a seek", () => {
  const { stream } = made();
  const calls: string[] = [];
  const player: Sink<number> = {
    policy: "latest only",
    hasEnded: false,
    start: () => {},
    refresh: () => {},
    pass: (refresh) => calls.push(`pass ${refresh}`),
    rewind: () => calls.push("rewind"),
    played: () => calls.push("played"),
  };
  const all = new FanOut<number>([player, stream]);
  all.rewind();
  all.pass(7);
  all.played();
  expect(calls).toEqual(["rewind", "pass 7", "played"]);
});
