/** The options of processes. */
import { type OptionAdder, oneOf, type Value, wholeNumber } from "../../core/options.ts";

/** The tree that is watched: the process that it begins at, or the name of such processes. */
export type Tree = { readonly pid: number } | { readonly name: string };

/** `changed`: those that are opened to be written, or made. */
const FILES = ["changed", "all"] as const;
export type Files = (typeof FILES)[number];

/** What the options were set to. */
export interface ProcessSettings {
  readonly processes: boolean;
  readonly forks: boolean;
  readonly tree: Tree | null;
  /** Which opened files are told; null: none. */
  readonly files: Files | null;
  readonly ringBytes: number | undefined;
}

type Draft = { -readonly [Key in keyof ProcessSettings]: ProcessSettings[Key] };

/** TASK_COMM_LEN without the NUL. */
const NAME_BYTES = 15;

/** The kernel gives out no larger process id (PID_MAX_LIMIT, include/linux/threads.h). */
const PID_MOST = 4_194_304;

const TREE: Value<Tree> = {
  accepted: `a process id, or a process name of at most ${NAME_BYTES} bytes`,
  parse(text) {
    if (/^[1-9]\d*$/.test(text)) return Number(text) <= PID_MOST ? { pid: Number(text) } : null;
    const bytes = Buffer.byteLength(text);
    return bytes > 0 && bytes <= NAME_BYTES && !text.includes("\0") ? { name: text } : null;
  },
};

const RING = wholeNumber("a number of bytes", 4096, 1 << 28);

/** Adds them, and gives what they set. */
export function processOptions(add: OptionAdder): ProcessSettings {
  const draft: Draft = { processes: false, forks: false, tree: null, files: null, ringBytes: undefined };
  add.flag(
    {
      group: "own",
      flags: "--processes",
      description: "what processes run, and how they end; their tree on the screen",
    },
    () => {
      draft.processes = true;
    },
  );
  add.flag({ group: "own", flags: "--forks", description: "also that they begin" }, () => {
    draft.forks = true;
  });
  add.value(
    {
      group: "own",
      flags: "--tree <pid|name>",
      description: "only this process, or those of this name, and all that they start",
    },
    TREE,
    (tree) => {
      draft.tree = tree;
      draft.processes = true;
    },
  );
  add.value(
    {
      group: "own",
      flags: "--files [which]",
      description: "also the files that they open to write or make, or all of them",
      isOfCapture: true,
      preset: "changed",
    },
    oneOf(FILES),
    (files) => {
      draft.files = files;
      draft.processes = true;
    },
  );
  add.value(
    { group: "hidden", flags: "--process-ring-bytes <bytes>", description: "", isOfCapture: true },
    RING,
    (bytes) => {
      draft.ringBytes = bytes;
    },
  );
  return draft;
}
