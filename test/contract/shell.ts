/** A real shell on a pseudo-terminal, where keys are typed at a `tcptop` that only notes its arguments. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const COMPLETIONS = fileURLToPath(new URL("../../completions", import.meta.url));

const PROMPT = "ready>";

interface Shell {
  /** Its name in the folder where the shell is told to look. */
  readonly startupFile: string;
  readonly startup: string;
  command(folder: string): string;
}

/** Each with nothing of its user's or its system's, the completion, and a known prompt. */
const SHELLS = {
  bash: {
    startupFile: "rc",
    startup: `PS1='${PROMPT} '\nbind 'set enable-bracketed-paste off'\n. ${COMPLETIONS}/tcptop.bash\n`,
    command: (folder) => `bash --noprofile --rcfile ${folder}/rc -i`,
  },
  zsh: {
    startupFile: ".zshrc",
    startup: `PROMPT='${PROMPT} '\nfpath=(${COMPLETIONS} $fpath)\nautoload -Uz compinit\ncompinit -u -D\n`,
    command: (folder) => `ZDOTDIR=${folder} zsh -d -i`,
  },
  fish: {
    startupFile: "init.fish",
    startup: `function fish_prompt; echo '${PROMPT} '; end\nsource ${COMPLETIONS}/tcptop.fish\n`,
    command: (folder) => `fish --private --no-config --init-command 'source ${folder}/init.fish'`,
  },
} as const satisfies Record<string, Shell>;

export type ShellName = keyof typeof SHELLS;

/** The shells, and why one cannot be tried here, or null. */
export const shells = (Object.keys(SHELLS) as ShellName[]).map((name): [ShellName, string | null] => [
  name,
  spawnSync(name, ["-c", "true"]).status === 0 ? null : `needs ${name}`,
]);

const NOTE_ARGUMENTS = `#!/bin/sh
printf '%s\\0' "$@" > "$NOTES"
printf 'noted%s\\n' .
`;

/** Types keys, then Enter; the arguments that tcptop got by them. Throws with what was shown when it got none. */
export async function typeAt(name: ShellName, keys: string): Promise<string[]> {
  const shell: Shell = SHELLS[name];
  const folder = mkdtempSync(join(tmpdir(), "tcptop-shell-"));
  try {
    writeFileSync(join(folder, shell.startupFile), shell.startup);
    writeFileSync(join(folder, "tcptop"), NOTE_ARGUMENTS, { mode: 0o755 });
    const notes = join(folder, "notes");
    const child = spawn("script", ["-qfec", `stty columns 200; ${shell.command(folder)}`, "/dev/null"], {
      cwd: folder,
      env: {
        PATH: `${folder}:${process.env["PATH"]}`,
        HOME: folder,
        SHELL: "/bin/sh",
        LC_ALL: "C.UTF-8",
        TERM: "xterm",
        NOTES: notes,
      },
    });
    const closed = once(child, "close");
    // The end of input is said again at each output until the shell has taken it, the last time maybe too late.
    child.stdin.on("error", () => {});
    let shown = "";
    let isTyped = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      if (!isTyped && shown.includes(PROMPT)) {
        isTyped = true;
        child.stdin.write(`${keys}\r`);
      }
      if (shown.includes("noted.")) child.stdin.write("\x04");
    });
    await closed;
    if (!shown.includes("noted.")) throw new Error(`tcptop was not run:\n${shown}`);
    return readFileSync(notes, "utf8").split("\0").slice(0, -1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
