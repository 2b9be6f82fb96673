// Runs before `npm pack`: everything in the package is made from this tree.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { must, root } from "./lib.mjs";
import { buildPrebuilt } from "./prebuilt.mjs";

rmSync(join(root, "dist"), { recursive: true, force: true });
must("npx", ["--no-install", "tsc", "-p", "tsconfig.build.json"]);
buildPrebuilt();
