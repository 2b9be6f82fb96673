/** Where the program starts. */
import { setFlagsFromString } from "node:v8";
import { runCli } from "./cli.ts";
import { endBySignal, systemHost } from "./host.ts";

// Each refresh leaves garbage behind at once: V8 would let its young generation grow to 33 MB for it.
setFlagsFromString("--semi-space-growth-factor=1");
// And its old one to twice what lives: in a flood of connections that is the larger half of all memory.
setFlagsFromString("--heap-growing-percent=25");

const { exitCode, isFlushed } = await runCli(process.argv.slice(2), systemHost());
endBySignal();
process.exitCode = exitCode;
// Text that nobody reads would keep the process alive for ever.
if (!isFlushed) process.exit();
