/** The lenses that there are: the only file that names them. */
import type { View } from "./core/view.ts";
import type { Connection } from "./lenses/flows/connection.ts";
import type { Series } from "./lenses/flows/history.ts";
import { connectionsView } from "./lenses/flows/views/connections.ts";
import { hostsView, processesView } from "./lenses/flows/views/grouped.ts";

/** What stands above the table. */
export type { Tallies } from "./lenses/flows/figures.ts";
export { figureLines } from "./lenses/flows/header.ts";
/** A refresh of all lenses. */
export type { Refresh } from "./lenses/flows/snapshot.ts";

/** What the views of the screen list. */
export type Item = Connection;
/** The last refreshes of an item. */
export type Past = Series;
export type ItemView = View<Item, Past>;

/** The views of the screen, in the order in which a key goes through them. */
export const VIEWS: readonly [ItemView, ...ItemView[]] = [connectionsView, processesView, hostsView];
