/** The lens of processes where it is on. */
import type { LensParts } from "../../core/lens.ts";
import type { ProcessFacts } from "../../core/process.ts";
import { openCapture } from "./capture.ts";
import { commandLine } from "./columns.ts";
import { ProcessFigures, processLosses } from "./figures.ts";
import { processHelp } from "./help.ts";
import { ProcessIntake } from "./intake.ts";
import type { ProcessSettings } from "./options.ts";
import { PROCESSES_FORM, ProcessPlayer } from "./player.ts";
import { ProcessRecorder } from "./recorder.ts";
import { type Known, PROCESSES } from "./snapshot.ts";
import type { ProcessSource } from "./source.ts";
import { ProcessSummary } from "./summary.ts";
import { fileTable, processTable } from "./table.ts";
import { treeView } from "./views/tree.ts";

/** As details of a connection show them. */
function factsOf(known: Known | null): ProcessFacts | null {
  if (known === null) return null;
  const { arguments: words, executable, cgroup } = known.process;
  return {
    commandLine: words === null ? executable : commandLine(words),
    cgroup,
    ancestors: known.ancestry.slice(0, -1).map(({ name }) => name),
  };
}

export function parts(settings: ProcessSettings): LensParts<ProcessSource> {
  const { forks, tree, files, ringBytes } = settings;
  const onlyTree = tree !== null;
  return {
    id: PROCESSES.lens,
    tables: [processTable({ forks, onlyTree }), fileTable()],
    views: [treeView(onlyTree)],
    help: processHelp,
    switches: [],
    filterOptions: "",
    losses: (refresh) => processLosses(PROCESSES.of(refresh)),
    startMembers: () => ({}),
    summary: () => new ProcessSummary(onlyTree),
    figures: (words) => new ProcessFigures(words),
    describe: (process, refresh) => factsOf(PROCESSES.in(refresh)?.find(process) ?? null),
    recording: { form: PROCESSES_FORM, player: (recorded) => new ProcessPlayer(recorded) },
    recorded: () => ({}),
    open: (host) => openCapture(host, { ringBytes, tree, files }),
    intake: (source, { recorder, clock, startNs }) =>
      new ProcessIntake(source, recorder && new ProcessRecorder(recorder), clock, startNs),
  };
}
