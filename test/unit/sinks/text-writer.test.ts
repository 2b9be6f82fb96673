import { describe, expect, test } from "vitest";
import { ExitError } from "../../../src/base/errors.ts";
import { TextWriter } from "../../../src/sinks/text-writer.ts";
import { FakeStream, settle, systemError } from "../../support/world.ts";

function made() {
  const stream = new FakeStream();
  const writer = new TextWriter(stream, "standard output");
  let ends = 0;
  writer.onEnd(() => {
    ends++;
  });
  return { stream, writer, ends: () => ends };
}

describe("a writer", () => {
  test("is idle once the reader has taken everything", async () => {
    const { stream, writer, ends } = made();
    stream.stall();
    writer.write("a\n");
    writer.write("b\n");
    let isFlushed = false;
    writer.flushed().then(() => {
      isFlushed = true;
    });
    await settle();
    expect([writer.isIdle, isFlushed]).toEqual([false, false]);
    stream.resume();
    await settle();
    expect([writer.isIdle, isFlushed, writer.hasEnded, ends()]).toEqual([true, true, false, 0]);
    expect(stream.writes).toEqual(["a\n", "b\n"]);
    await writer.flushed();
  });

  test("asks for a piece of text when the one before is written, and goes on with what was given later", async () => {
    const { stream, writer } = made();
    const asked: string[] = [];
    function* pieces() {
      for (const piece of ["a", "", "b", "c"]) {
        asked.push(piece);
        yield piece;
      }
    }
    stream.stall();
    writer.writePieces(pieces());
    writer.write("d");
    expect([asked, stream.writes]).toEqual([["a"], ["a"]]);
    stream.resume();
    expect([stream.writes, writer.isIdle]).toEqual([["a", "b", "c", "d"], true]);
    await writer.flushed();
  });

  test("ten thousand pieces of a file are one after the other", () => {
    const { stream, writer } = made();
    writer.writePieces(Array.from({ length: 10_000 }, String));
    expect(stream.writes).toHaveLength(10_000);
  });

  test("gives up what waits, and writes what comes later after the text under way", () => {
    const { stream, writer } = made();
    stream.stall();
    writer.writePieces(["a", "b"]);
    writer.write("c");
    writer.drop();
    writer.write("d");
    stream.resume();
    expect([stream.writes, writer.isIdle]).toEqual([["a", "d"], true]);
  });

  test("writes nothing for an empty text", () => {
    const { stream, writer } = made();
    writer.write("");
    expect(stream.writes).toEqual([]);
  });

  test.each([
    ["a pipe without a reader", "EPIPE", false],
    ["a socket that was reset", "ECONNRESET", false],
    ["a terminal that hung up", "EIO", true],
  ])("ends without an error at %s", async (_, code, isTerminal) => {
    const { stream, writer, ends } = made();
    stream.isTerminal = isTerminal;
    stream.stall();
    writer.write("a\n");
    writer.write("b\n");
    stream.fail(systemError(code, `write ${code}`));
    expect([writer.isIdle, writer.hasEnded, writer.error, ends()]).toEqual([true, true, null, 1]);
    writer.write("c\n");
    expect(stream.attempts).toBe(1);
    await writer.flushed();
  });

  test.each([
    ["a full disk", "ENOSPC: no space left on device, write", "ENOSPC: no space left on device"],
    ["a broken disk", "EIO: i/o error, write", "EIO: i/o error"],
  ])("ends with exit code 74 at %s", (_, message, reason) => {
    const { stream, writer, ends } = made();
    stream.fail(systemError(message.slice(0, message.indexOf(":")), message));
    writer.write("a\n");
    expect([writer.isIdle, writer.hasEnded, ends()]).toEqual([true, true, 1]);
    expect(writer.error).toEqual(new ExitError(74, `cannot write to standard output: ${reason}`));
    expect(writer.error?.exitCode).toBe(74);
  });

  test("takes an error that is thrown for one that is reported", () => {
    const stream = {
      isTerminal: false,
      write() {
        throw systemError("EPIPE", "write EPIPE");
      },
    };
    const writer = new TextWriter(stream, "standard output");
    writer.write("a\n");
    expect([writer.isIdle, writer.hasEnded, writer.error]).toEqual([true, true, null]);
  });
});
