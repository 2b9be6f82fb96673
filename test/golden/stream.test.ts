/** The stream in every form, compared with the files beside this one. */
import { beforeAll, expect, test, vi } from "vitest";
import { csvOutput } from "../../src/sinks/csv.ts";
import { jsonOutput } from "../../src/sinks/json.ts";
import { textOutput } from "../../src/sinks/text.ts";
import { flowLens, flowsTable } from "../support/lenses.ts";
import { play } from "../support/stream.ts";

beforeAll(() => {
  vi.stubEnv("TZ", "UTC");
});

test("text", async () => {
  await expect(play(textOutput({ style: "human", color: false }))).toMatchFileSnapshot("stream.txt");
});

test("text with exact numbers", async () => {
  await expect(play(textOutput({ style: "raw", color: false }))).toMatchFileSnapshot("stream.raw.txt");
});

test("text with colour", async () => {
  await expect(play(textOutput({ style: "human", color: true }))).toMatchFileSnapshot("stream.color.txt");
});

test("JSON", async () => {
  await expect(play(jsonOutput([flowLens()]))).toMatchFileSnapshot("stream.jsonl");
});

test("CSV", async () => {
  await expect(play(csvOutput(flowsTable()))).toMatchFileSnapshot("stream.csv");
});
