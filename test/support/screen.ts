/** A terminal for tests: keeps the last frame, and types what the test types. */
import { type Frame, lineText, type Size } from "../../src/core/cells.ts";
import type { Screen, ScreenListener } from "../../src/tui/terminal.ts";
import type { Input } from "../../src/view/update.ts";

export class FakeScreen implements Screen {
  size: Size = { columns: 120, rows: 16 };
  /** Calls in their order, but for frames. */
  readonly calls: string[] = [];
  readonly frames: Frame[] = [];
  listener: ScreenListener | null = null;

  listen(listener: ScreenListener): void {
    this.listener = listener;
  }

  draw(frame: Frame): void {
    this.frames.push(frame);
  }

  forget(): void {
    this.calls.push("forget");
  }

  suspend(): void {
    this.calls.push("suspend");
  }

  close(): void {
    this.calls.push("close");
  }

  /** The lines of the last frame, without the spaces at their ends. */
  get lines(): string[] {
    return this.frames.at(-1)?.lines.map((line) => lineText(line).trimEnd()) ?? [];
  }

  type(...inputs: (string | Input)[]): void {
    for (const input of inputs) {
      this.listener?.input(typeof input === "string" ? { kind: "text", text: input } : input);
    }
  }
}
