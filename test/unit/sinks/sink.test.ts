import { describe, expect, test } from "vitest";
import { ExitError } from "../../../src/base/errors.ts";
import { Sink } from "../../../src/sinks/sink.ts";
import { FakeStream, settle, systemError } from "../../support/world.ts";

function made() {
  const stream = new FakeStream();
  const sink = new Sink(stream, "standard output");
  let ends = 0;
  sink.onEnd(() => {
    ends++;
  });
  return { stream, sink, ends: () => ends };
}

describe("sink", () => {
  test("is idle once the reader has taken everything", async () => {
    const { stream, sink, ends } = made();
    stream.stall();
    sink.write("a\n");
    sink.write("b\n");
    let isFlushed = false;
    sink.flushed().then(() => {
      isFlushed = true;
    });
    await settle();
    expect([sink.isIdle, isFlushed]).toEqual([false, false]);
    stream.resume();
    await settle();
    expect([sink.isIdle, isFlushed, sink.hasEnded, ends()]).toEqual([true, true, false, 0]);
    expect(stream.writes).toEqual(["a\n", "b\n"]);
    await sink.flushed();
  });

  test("asks for a piece of text when the one before is written, and goes on with what was given later", async () => {
    const { stream, sink } = made();
    const asked: string[] = [];
    function* pieces() {
      for (const piece of ["a", "", "b", "c"]) {
        asked.push(piece);
        yield piece;
      }
    }
    stream.stall();
    sink.writePieces(pieces());
    sink.write("d");
    expect([asked, stream.writes]).toEqual([["a"], ["a"]]);
    stream.resume();
    expect([stream.writes, sink.isIdle]).toEqual([["a", "b", "c", "d"], true]);
    await sink.flushed();
  });

  test("ten thousand pieces of a file are one after the other", () => {
    const { stream, sink } = made();
    sink.writePieces(Array.from({ length: 10_000 }, String));
    expect(stream.writes).toHaveLength(10_000);
  });

  test("writes nothing for an empty text", () => {
    const { stream, sink } = made();
    sink.write("");
    expect(stream.writes).toEqual([]);
  });

  test.each([
    ["a pipe without a reader", "EPIPE", false],
    ["a socket that was reset", "ECONNRESET", false],
    ["a terminal that hung up", "EIO", true],
  ])("ends without an error at %s", async (_, code, isTerminal) => {
    const { stream, sink, ends } = made();
    stream.isTerminal = isTerminal;
    stream.stall();
    sink.write("a\n");
    sink.write("b\n");
    stream.fail(systemError(code, `write ${code}`));
    expect([sink.isIdle, sink.hasEnded, sink.error, ends()]).toEqual([true, true, null, 1]);
    sink.write("c\n");
    expect(stream.attempts).toBe(1);
    await sink.flushed();
  });

  test.each([
    ["a full disk", "ENOSPC: no space left on device, write", "ENOSPC: no space left on device"],
    ["a broken disk", "EIO: i/o error, write", "EIO: i/o error"],
  ])("ends with exit code 74 at %s", (_, message, reason) => {
    const { stream, sink, ends } = made();
    stream.fail(systemError(message.slice(0, message.indexOf(":")), message));
    sink.write("a\n");
    expect([sink.isIdle, sink.hasEnded, ends()]).toEqual([true, true, 1]);
    expect(sink.error).toEqual(new ExitError(74, `cannot write to standard output: ${reason}`));
    expect(sink.error?.exitCode).toBe(74);
  });

  test("takes an error that is thrown for one that is reported", () => {
    const stream = {
      isTerminal: false,
      write() {
        throw systemError("EPIPE", "write EPIPE");
      },
    };
    const sink = new Sink(stream, "standard output");
    sink.write("a\n");
    expect([sink.isIdle, sink.hasEnded, sink.error]).toEqual([true, true, null]);
  });
});
