import { expect, test } from "vitest";
import { Stop } from "../../../src/app/stop.ts";
import { FakeWorld, settle } from "../../support/world.ts";

function waiting(promise: Promise<unknown>): { result: unknown } {
  const state: { result: unknown } = { result: "waiting" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  promise.then(keep, keep);
  return state;
}

test("waits for the deadline, not for the timer", async () => {
  const world = new FakeWorld();
  const state = waiting(new Stop(world).until(1.5e6));
  await world.advance(1.4);
  expect(state.result).toBe("waiting");
  await world.advance(0.7);
  expect(state.result).toBeUndefined();
  expect(world.timers).toBe(0);
});

test("a deadline that has passed is not waited for", async () => {
  const world = new FakeWorld();
  const state = waiting(new Stop(world).until(0));
  await settle();
  expect(state.result).toBeUndefined();
});

test("a request ends the wait and every later one", async () => {
  const world = new FakeWorld();
  const stop = new Stop(world);
  const state = waiting(stop.until(1e9));
  stop.request();
  await settle();
  expect([state.result, stop.requests, world.timers]).toEqual([undefined, 1, 0]);
  const later = waiting(stop.until(1e9));
  await settle();
  expect([later.result, world.timers]).toEqual([undefined, 0]);
});

test("a promise is waited for until it settles", async () => {
  const stop = new Stop(new FakeWorld());
  expect(await stop.orNext(Promise.resolve(5))).toBe(5);
  await expect(stop.orNext(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

test("a promise is waited for until the next request, not a former one", async () => {
  const world = new FakeWorld();
  const stop = new Stop(world);
  stop.request();
  const state = waiting(stop.orNext(new Promise(() => {}), 1000));
  await settle();
  expect(state.result).toBe("waiting");
  stop.request();
  await settle();
  expect([state.result, world.timers]).toEqual([null, 0]);
});

test("a promise is waited for no longer than the time given", async () => {
  const world = new FakeWorld();
  const state = waiting(new Stop(world).orNext(new Promise(() => {}), 1000));
  await world.advance(999);
  expect(state.result).toBe("waiting");
  await world.advance(1);
  expect(state.result).toBeNull();
});
