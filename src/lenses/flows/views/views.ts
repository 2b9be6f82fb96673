/** The views of flows, in the order in which a key goes through them. */
import type { Accept } from "../filter.ts";
import { both, matcher } from "../matcher.ts";
import { connectionsView } from "./connections.ts";
import { hostsView, processesView } from "./grouped.ts";
import type { FlowView } from "./rows.ts";

/** `accept`: the command line's filter; null: everything. */
export function flowViews(accept: Accept | null): FlowView[] {
  return [connectionsView, processesView, hostsView].map((view) => ({
    ...view,
    passing(connections, words) {
      const matches = matcher(words);
      const passes = matches === null ? accept : both(accept, matches);
      return passes === null ? connections : connections.filter(passes);
    },
  }));
}
