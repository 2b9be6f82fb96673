/** The lens of flows, as far as it shows what there is and captures it. */
import type { LensParts } from "../../core/lens.ts";
import type { TableSizes } from "./bounds.ts";
import { FlowIntake } from "./intake.ts";
import { type OpenFlows, openFlows } from "./open.ts";
import type { FlowSettings } from "./options.ts";
import { FlowRecorder } from "./recorder.ts";
import { parts as shownParts } from "./shown.ts";

const NS_PER_S = 1e9;

export function parts(settings: FlowSettings): LensParts<OpenFlows, TableSizes> {
  const { all, udpTimeoutS } = settings;
  const udpIdleNs = udpTimeoutS * NS_PER_S;
  return {
    ...shownParts(settings),
    recorded: ({ facts }) => ({ tableSizes: facts, udpIdleNs }),
    open: (host, options) => openFlows(host, settings, options),
    intake: (source, { recorder, clock, startNs }) =>
      new FlowIntake(source, recorder && new FlowRecorder(recorder), clock, { udpIdleNs, startNs, all }),
  };
}
