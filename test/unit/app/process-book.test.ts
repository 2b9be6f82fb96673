import { beforeEach, expect, test } from "vitest";
import { ProcessBook } from "../../../src/app/process-book.ts";
import type { ProcessFacts, ProcessId } from "../../../src/core/process.ts";

const CURL = { pid: 7, startNs: 100 };

let running: Map<string, string>;
let asked: string[];
let book: ProcessBook;

beforeEach(() => {
  running = new Map([["7 100", "curl -s"]]);
  asked = [];
  book = new ProcessBook({
    describeProcess({ pid, startNs }: ProcessId): ProcessFacts | null {
      asked.push(`${pid} ${startNs}`);
      const commandLine = running.get(`${pid} ${startNs}`);
      return commandLine === undefined ? null : { commandLine, cgroup: "/" };
    },
  });
});

const command = (process: ProcessId) => book.describe(process)?.commandLine ?? null;

test("a process is asked for once a refresh, and again at the next", () => {
  expect([command(CURL), command(CURL)]).toEqual(["curl -s", "curl -s"]);
  expect(asked).toEqual(["7 100"]);
  running.set("7 100", "curl --renamed");
  book.turn();
  expect([command(CURL), command(CURL)]).toEqual(["curl --renamed", "curl --renamed"]);
  expect(asked).toEqual(["7 100", "7 100"]);
});

test("one that has ended is remembered while it is shown, and no longer", () => {
  expect(command(CURL)).toBe("curl -s");
  running.clear();
  for (let refresh = 0; refresh < 3; refresh++) {
    book.turn();
    expect(command(CURL)).toBe("curl -s");
  }
  book.turn();
  book.turn();
  expect(command(CURL)).toBeNull();
});

test("one that has the number of another is another", () => {
  expect(command(CURL)).toBe("curl -s");
  running = new Map([["7 200", "wget"]]);
  book.turn();
  expect([command(CURL), command({ pid: 7, startNs: 200 })]).toEqual(["curl -s", "wget"]);
});

test("that nothing is known is known for a refresh", () => {
  expect([command({ pid: 8, startNs: 1 }), command({ pid: 8, startNs: 1 })]).toEqual([null, null]);
  expect(asked).toEqual(["8 1"]);
});
