#!/usr/bin/env -S node --inspect-port=240.0.0.1:1024
// Only syntax of old Node versions here: they must get as far as the line that says what is missing.

// At SIGUSR1 Node opens its debugger, here with root's privileges. The first line makes it fail for as long as this
// file does not run yet: no machine has that address (class E, RFC 1112). Node 20 has no option against the signal.
process.on("SIGUSR1", () => {});

/** Closes the debugger that a signal opened before, where Node was started without that first line. */
function closeDebugger() {
  const inspector = process.getBuiltinModule("inspector");
  const isWanted = process.execArgv.some((option) => /^--inspect(-brk|-wait)?(=|$)/.test(option));
  if (inspector && inspector.url() !== undefined && !isWanted) inspector.close();
}

/** One line for what cannot be loaded; the program itself tells of all else. */
function tellFailure(error) {
  const isLimit = error.code === "EMFILE" || error.code === "ENFILE";
  const why = isLimit ? "too many open files; raise the limit (ulimit -n)" : error.message.split("\n")[0];
  process.stderr.write(`error: tcptop cannot be loaded: ${why}\n`);
  process.exitCode = isLimit ? 69 : 70;
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major > 20 || (major === 20 && minor >= 17)) {
  closeDebugger();
  setImmediate(closeDebugger);
  import("../dist/cli/main.js").catch(tellFailure);
} else {
  process.stderr.write(`error: tcptop needs Node 20.17 or later, this is ${process.versions.node}.\n`);
  process.exitCode = 69;
}
