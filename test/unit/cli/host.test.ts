import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fileStream, systemHost } from "../../../src/cli/host.ts";

const folder = mkdtempSync(join(tmpdir(), "tcptop-host-"));

afterAll(() => rmSync(folder, { recursive: true }));

describe("a file as output", () => {
  test("has all text when the write is done", () => {
    const path = join(folder, "out");
    const stream = fileStream(openSync(path, "w"));
    const text = `${"é→日".repeat(100_000)}\n`;
    const errors: unknown[] = [];
    stream.write(text, (error) => errors.push(error));
    stream.write("end\n", (error) => errors.push(error));
    expect(errors).toEqual([undefined, undefined]);
    expect(readFileSync(path, "utf8")).toBe(`${text}end\n`);
  });

  test.runIf(process.platform === "linux")("tells that the disk is full", () => {
    let failure: Error | null | undefined;
    fileStream(openSync("/dev/full", "w")).write("a\n", (error) => {
      failure = error;
    });
    expect(failure).toMatchObject({ code: "ENOSPC", message: "ENOSPC: no space left on device, write" });
  });
});

describe("the machine", () => {
  test("knows the version of the package", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(systemHost().version).toBe(version);
  });

  test("hears SIGINT, SIGTERM, SIGHUP and SIGQUIT for as long as it is asked to", () => {
    const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
    const before = signals.map((signal) => process.listenerCount(signal));
    let requests = 0;
    const cancel = systemHost().onStop(() => {
      requests++;
    });
    for (const signal of signals) process.emit(signal, signal);
    cancel();
    expect(requests).toBe(4);
    expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
  });
});
