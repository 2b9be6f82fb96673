/** Where the program starts. */
import { runCli } from "./cli.ts";
import { systemHost } from "./host.ts";

const { exitCode, isFlushed } = await runCli(process.argv.slice(2), systemHost());
process.exitCode = exitCode;
// Text that nobody reads would keep the process alive for ever.
if (!isFlushed) process.exit();
