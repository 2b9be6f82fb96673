// clang-format over C and C++: checks, or rewrites with --fix.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib.mjs";

const FOLDERS = ["bpf", "addon", "test", "bench"];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(c|h|cc|hh)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)),
);
const mode = process.argv.includes("--fix") ? ["-i"] : ["--dry-run", "--Werror"];
const result = spawnSync("clang-format", [...mode, ...files], { stdio: "inherit" });
process.exitCode = result.status ?? 127;
