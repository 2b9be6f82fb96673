/** The lenses that there are: the only file that names them. */
import type { View } from "./core/view.ts";
import type { Connection } from "./lenses/flows/connection.ts";
import { connectionsView } from "./lenses/flows/views/connections.ts";
import { hostsView, processesView } from "./lenses/flows/views/grouped.ts";

export type { Refresh } from "./lenses/flows/snapshot.ts";

/** What the views of the screen list. */
export type Item = Connection;
export type ItemView = View<Item>;

/** The views of the screen, in the order in which a key goes through them. */
export const VIEWS: readonly [ItemView, ...ItemView[]] = [connectionsView, processesView, hostsView];
