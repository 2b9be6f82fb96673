// `npm start`: makes the checkout ready and runs tcptop with the given arguments, by sudo if need be.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { root } from "./lib.mjs";
import { setup } from "./setup.mjs";

setup();

const tcptop = [join(root, "bin/tcptop.js"), ...process.argv.slice(2)];
const needsSudo = process.platform === "linux" && process.geteuid?.() !== 0;
const command = needsSudo ? "sudo" : process.execPath;
const child = spawn(command, needsSudo ? [process.execPath, ...tcptop] : tcptop, { stdio: "inherit" });

// The terminal sends Ctrl-C to the whole group: tcptop ends itself, and this waits for it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    if (signal !== "SIGINT") child.kill(signal);
  });
}
child.on("error", (error) => {
  process.stderr.write(`error: cannot run ${command}: ${error.message}\n`);
  process.exitCode = 70;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
});
