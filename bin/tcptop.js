#!/usr/bin/env node
// Only syntax of old Node versions here: they must get as far as the line that says what is missing.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major > 20 || (major === 20 && minor >= 17)) {
  import("../dist/cli/main.js");
} else {
  process.stderr.write(`error: tcptop needs Node 20.17 or later, this is ${process.versions.node}.\n`);
  process.exitCode = 69;
}
