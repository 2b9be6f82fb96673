/** The completions in the shells themselves: what is typed, with Tab, and what tcptop is then given. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shells, typeAt } from "./shell.ts";

const TIMEOUT_MS = 60_000;

/** What a process may call itself: in a shell that expanded it, a file would be made. */
const MARK = "/tmp/q8";
const HOSTILE = `zq$(>${MARK});*`;

let hostile: ChildProcess;

beforeAll(async () => {
  rmSync(MARK, { force: true });
  const script = 'printf %s "$1" > /proc/self/comm; echo named; read -r _';
  hostile = spawn("bash", ["-c", script, "bash", HOSTILE], { stdio: ["pipe", "pipe", "inherit"] });
  if (hostile.stdout) await once(hostile.stdout, "data");
});

afterAll(async () => {
  const closed = once(hostile, "close");
  hostile.stdin?.end();
  await closed;
});

describe.each(shells)("%s", (shell, missing) => {
  const run = test.skipIf(missing !== null);
  const why = missing === null ? "" : `: ${missing}`;

  run.each<[keys: string, args: string[]]>([
    ["--form\tj\t", ["--format", "json"]],
    ["--format=c\t", ["--format", "csv"]],
    ["--backend tr\t", ["--backend", "tracepoint"]],
    ["-s rtt_m\t", ["-s", "rtt_min_us"]],
    ["--no-l\t --tc\t", ["--no-loopback", "--tcp"]],
    ["--ver\t", ["--version"]],
    ["--max-t\t", ["--max-t"]],
  ])(`%j${why}`, { timeout: TIMEOUT_MS }, async (keys, args) => {
    const typed = await typeAt(shell, `tcptop ${keys}`);
    // zsh writes --format=json, the others --format json.
    expect(typed.flatMap((arg) => arg.split("="))).toEqual(args);
  });

  run.each(["zq\t", "zq\\$\\(\t"])(
    `the name of a process is never run: %j${why}`,
    { timeout: TIMEOUT_MS },
    async (keys) => {
      expect(await typeAt(shell, `tcptop -c ${keys}`)).toEqual(["-c", HOSTILE]);
      expect(existsSync(MARK)).toBe(false);
    },
  );
});
