/** Writes text to a pipe, a terminal or a file. It handles a slow reader, a reader that has gone, and a full disk. */
import { ExitCode, ExitError, reasonOf } from "../base/errors.ts";

/** A place to write to, such as standard output. */
export interface OutputStream {
  readonly isTerminal: boolean;
  /** Takes the text at once, calls `done` when all of it is written or it cannot be. */
  write(text: string, done: (error?: Error | null) => void): void;
}

/** Codes of a pipe or terminal whose reader has gone, which is no failure. */
function readerIsGone(error: Error, isTerminal: boolean): boolean {
  const code = "code" in error ? error.code : undefined;
  return code === "EPIPE" || code === "ECONNRESET" || (code === "EIO" && isTerminal);
}

export class TextWriter {
  readonly #stream: OutputStream;
  readonly #name: string;
  /** Text that waits for the text before it to be written. */
  readonly #queue: Iterator<string>[] = [];
  #isWriting = false;
  #ended = false;
  #error: ExitError | null = null;
  readonly #waiting: (() => void)[] = [];
  #onEnd: () => void = () => {};

  /** `name` is the name of the stream in messages. */
  constructor(stream: OutputStream, name: string) {
    this.#stream = stream;
    this.#name = name;
  }

  /** Whether no text waits: all of it is written or given up. */
  get isIdle(): boolean {
    return (!this.#isWriting && this.#queue.length === 0) || this.#ended;
  }

  /** Whether nothing more can be written: the reader is gone, or writing failed. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Why writing failed (exit code 74); null while it works and when the reader went away. */
  get error(): ExitError | null {
    return this.#error;
  }

  /** Calls back once, when writing fails. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  /** Writes text; nothing after the end. */
  write(text: string): void {
    if (text !== "") this.writePieces([text]);
  }

  /** Writes text piece by piece: each one is made when the one before is written. */
  writePieces(pieces: Iterable<string>): void {
    if (this.#ended) return;
    this.#queue.push(pieces[Symbol.iterator]());
    this.#pump();
  }

  /** Gives up what waits. The text under way is written to its end. */
  drop(): void {
    this.#queue.length = 0;
  }

  #pump(): void {
    while (!this.#isWriting && !this.#ended) {
      const [pieces] = this.#queue;
      if (pieces === undefined) break;
      const { value, done } = pieces.next();
      if (done) this.#queue.shift();
      else if (value !== "") this.#give(value);
    }
    if (this.isIdle) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #give(text: string): void {
    this.#isWriting = true;
    let isDone = false;
    let isAsync = false;
    const done = (error: Error | null) => {
      if (isDone) return;
      isDone = true;
      this.#isWriting = false;
      if (error !== null && !this.#ended) this.#end(error);
      if (isAsync) this.#pump();
    };
    try {
      this.#stream.write(text, (error) => done(error ?? null));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
    isAsync = true;
  }

  /** The reader turned out to be gone without a write that failed. */
  readerLeft(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }

  /** Resolves when no text waits. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isIdle) resolve();
      else this.#waiting.push(resolve);
    });
  }

  #end(error: Error): void {
    this.#ended = true;
    if (!readerIsGone(error, this.#stream.isTerminal)) {
      const message = `cannot write to ${this.#name}: ${reasonOf(error)}`;
      this.#error = new ExitError(ExitCode.ioError, message, { cause: error });
    }
    this.#onEnd();
  }
}
