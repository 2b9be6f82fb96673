/** The user's terminal as a screen: keys in, frames out, and given back whole however the program ends. */
import { closeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { isatty } from "node:tty";
import type { Frame, Size } from "../core/cells.ts";
import type { Input } from "../view/update.ts";
import { KeyDecoder } from "./keys.ts";
import { colorDepth, Renderer, type Terminal, type TerminalEnvironment, usesUtf8 } from "./renderer.ts";

export interface ScreenListener {
  input(input: Input): void;
  /** The size has changed, or the screen is back after a suspension: it has to be drawn anew. */
  changed(): void;
  /** The terminal is gone. */
  ended(): void;
}

/** All that the screen needs of a terminal. Tests pass a `Screen` of their own. */
export interface Screen {
  readonly size: Size;
  /** Once, before the first frame. */
  listen(listener: ScreenListener): void;
  draw(frame: Frame): void;
  /** The next frame is drawn whole. */
  forget(): void;
  /** Stops the program as Ctrl-Z does, with the terminal given back; returns once it goes on. */
  suspend(): void;
  /** Gives the terminal back. Safe to call twice. */
  close(): void;
}

/** Takes the terminal over. */
export function openScreen(
  terminal: Terminal,
  environment: TerminalEnvironment,
  wantsColor: boolean,
): Screen {
  const { input, output } = terminal;
  const renderer = new Renderer(terminal, {
    colors: colorDepth(environment, wantsColor),
    isUtf8: usesUtf8(environment),
  });
  const text = new StringDecoder("utf8");
  const keys = new KeyDecoder();
  let listener: ScreenListener | null = null;
  let isOpen = true;
  let isLost = false;

  const take = (bytes: Buffer): void => {
    for (const key of keys.decode(text.write(bytes))) listener?.input(key);
  };
  const change = (): void => {
    renderer.forget();
    listener?.changed();
  };
  const standardStreams = [0, 1, 2].filter((fd) => isatty(fd));
  // Node aborts at its end if it cannot set a vanished terminal back; it leaves closed descriptors alone.
  const dropStreams = (): void => standardStreams.forEach((fd) => void closeSync(fd));
  const lose = (): void => {
    if (!isLost) process.once("exit", dropStreams);
    isLost = true;
    listener?.ended();
  };
  const leave = (): void => renderer.leave();
  const resume = (): void => {
    renderer.enter();
    change();
  };
  const suspend = (): void => {
    renderer.leave();
    process.off("SIGTSTP", suspend);
    // The whole group, as the terminal would: whoever started tcptop for the user stops as well.
    process.kill(0, "SIGTSTP");
    process.on("SIGTSTP", suspend);
  };

  input.on("data", take).on("end", lose).on("error", lose);
  output.on("resize", change);
  process.on("exit", leave);
  // Before Node prints what it was, so that it is seen.
  process.on("uncaughtExceptionMonitor", leave);
  process.on("SIGTSTP", suspend);
  process.on("SIGCONT", resume);
  renderer.enter();
  input.resume();

  return {
    get size() {
      return renderer.size;
    },
    listen(next) {
      listener = next;
    },
    draw: (frame) => renderer.draw(frame),
    forget: () => renderer.forget(),
    suspend,
    close() {
      if (!isOpen) return;
      isOpen = false;
      listener = null;
      input.off("data", take).off("end", lose);
      input.pause();
      output.off("resize", change);
      process.off("exit", leave);
      process.off("uncaughtExceptionMonitor", leave);
      process.off("SIGTSTP", suspend);
      process.off("SIGCONT", resume);
      renderer.close();
    },
  };
}
