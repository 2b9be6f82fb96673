/** The stream for people: a line for each event, in the form of its table; remarks start with `#`. */
import { formatTimeOfDay, type NumberStyle } from "../base/format.ts";
import { sanitise } from "../base/sanitise.ts";
import { describeLosses } from "../core/losses.ts";
import type { Table, TextForm, TextLine } from "../core/table.ts";
import { allLosses, type Output, type StartInfo } from "./output.ts";

export interface TextOptions {
  readonly style: NumberStyle;
  readonly color: boolean;
}

/** Select Graphic Rendition: the parameter of `ESC [ ... m`. */
const SGR = { new: "32", over: "2", remark: "33" } as const;

export function textOutput({ style, color }: TextOptions): Output {
  const forms = new Map<Table, TextForm>();
  let lossesShown = "";

  function paint(sgr: string, text: string): string {
    return color ? `\x1b[${sgr}m${text}\x1b[0m` : text;
  }

  function lineOf({ text, tone }: TextLine): string {
    return `${tone === "plain" ? text : paint(SGR[tone], text)}\n`;
  }

  function startLines({ version, backend, kernel, stepDowns }: StartInfo): string[] {
    return [
      `tcptop ${version}: backend ${backend}, kernel ${kernel}`,
      ...stepDowns.map((step) => `${step.backend}: ${step.reason}`),
    ];
  }

  return {
    start: (info) =>
      startLines(info)
        .map((text) => `# ${sanitise(text)}\n`)
        .join(""),
    events(table, events, at) {
      const form = forms.get(table) ?? table.textForm(style);
      forms.set(table, form);
      return events.map((event) => lineOf(form.line(event, at))).join("");
    },
    summary(lenses, skipped, at) {
      const losses = describeLosses(allLosses(lenses, skipped)).join("; ");
      if (losses === lossesShown) return "";
      lossesShown = losses;
      return `${paint(SGR.remark, `# ${formatTimeOfDay(at.wallMs)} incomplete: ${losses}`)}\n`;
    },
    warning: () => "",
  };
}
