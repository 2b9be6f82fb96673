/** The lenses that there are, and what the rooms behind have of them. No other file names them. */
import type { View } from "./core/view.ts";
import type { Connection } from "./lenses/flows/connection.ts";
import type { Series } from "./lenses/flows/history.ts";
import { connectionsView } from "./lenses/flows/views/connections.ts";
import { hostsView, processesView } from "./lenses/flows/views/grouped.ts";

export type { TableSizes } from "./lenses/flows/bounds.ts";
export { FlowCapture } from "./lenses/flows/capture.ts";
export { isKnownWireVersion } from "./lenses/flows/decode.ts";
export type { Tallies } from "./lenses/flows/figures.ts";
export { figureLines } from "./lenses/flows/header.ts";
export type { FlowRecorder as Recorder } from "./lenses/flows/intake.ts";
export { WIRE_VERSION } from "./lenses/flows/layout.gen.ts";
export type { Losses } from "./lenses/flows/losses.ts";
export type { FlowOperation as ModelOperation } from "./lenses/flows/operation.ts";
export { decodeOperations, type Operation, OperationWriter } from "./lenses/flows/operations.ts";
export { openPrograms } from "./lenses/flows/programs.ts";
export type { Refresh } from "./lenses/flows/snapshot.ts";
export { tcpTableSize } from "./lenses/flows/table-size.ts";

/** What the views of the screen list. */
export type Item = Connection;
/** The last refreshes of an item. */
export type Past = Series;
export type ItemView = View<Item, Past>;

/** The views of the screen, in the order in which a key goes through them. */
export const VIEWS: readonly [ItemView, ...ItemView[]] = [connectionsView, processesView, hostsView];
