/** What reaches the model of flows between two refreshes. */
import type { SeedEntry } from "./record.ts";

export type FlowOperation =
  /** Existing connections, read at `nowNs`. */
  | { readonly kind: "seed"; readonly nowNs: number; readonly entries: readonly SeedEntry[] }
  /** `struct flows_record`s as the kernel side delivered them. */
  | { readonly kind: "records"; readonly bytes: Uint8Array }
  /** The sockets without a flow that there are. */
  | { readonly kind: "sockets"; readonly entries: readonly SeedEntry[] }
  /** Rows of the seed, by their keys, that are over and were never met by the kernel side. */
  | { readonly kind: "unmet"; readonly nowNs: number; readonly keys: readonly number[] }
  /** All connections that no record has told of since `sinceNs` are over. */
  | { readonly kind: "silent"; readonly nowNs: number; readonly sinceNs: number };
