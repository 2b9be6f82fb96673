/** The help, compared with the file beside this one. */
import { expect, test } from "vitest";
import { parseArguments } from "../../src/cli/options.ts";

test("--help", async () => {
  const request = parseArguments(["--help"], "0.1.0");
  await expect(request.kind === "print" ? request.text : "").toMatchFileSnapshot("help.txt");
});
