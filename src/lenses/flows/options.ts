/** The options of flows: what is shown of them, and how they are captured. */
import { type AddressRange, parseAddressRange } from "../../base/address.ts";
import { type OptionAdder, type OptionSpec, SECONDS, type Value, wholeNumber } from "../../core/options.ts";
import type { Filter } from "./filter.ts";

/** What the options were set to. */
export interface FlowSettings {
  readonly filter: Filter;
  /** Also the sockets that carry no flow: listening, TIME_WAIT. */
  readonly all: boolean;
  readonly udpTimeoutS: number;
  readonly maxTcpFlows: number | undefined;
  readonly maxUdpFlows: number | undefined;
}

type Draft = { -readonly [Key in keyof FlowSettings]: FlowSettings[Key] };
type FilterDraft = {
  -readonly [Key in keyof Filter]: Filter[Key] extends readonly (infer T)[] ? T[] : Filter[Key];
};

const DEFAULT_UDP_TIMEOUT_S = 5;

const HOST: Value<AddressRange> = {
  accepted: "an IP address or ADDRESS/PREFIX",
  parse: parseAddressRange,
};

const PROCESS: Value<string> = {
  accepted: "a process name or a part of one",
  completes: "process",
  parse: (text) => (text === "" ? null : text),
};

/** The kernel gives out no larger process id (PID_MAX_LIMIT, include/linux/threads.h). */
const PID: Value<number> = { ...wholeNumber("a process id", 1, 4_194_304), completes: "pid" };
const PORT = wholeNumber("a port number", 1, 65_535);

const FLOWS = wholeNumber("a whole number", 1, 1 << 24);

function filterOption(flags: string, description: string): OptionSpec {
  return { group: "filters", flags, description };
}

function addFilters(add: OptionAdder, filter: FilterDraft): void {
  add.list(filterOption("-p, --pid <pid,...>", "owned by this process"), PID, filter.pids);
  add.value(
    filterOption("-c, --process <name>", "name of the owner, or a part of it, in any case"),
    PROCESS,
    (name) => filter.processes.push(name),
  );
  add.list(filterOption("--port <port,...>", "local or remote port"), PORT, filter.ports);
  add.list(
    filterOption("--host <address,...>", "local or remote address, or ADDRESS/PREFIX"),
    HOST,
    filter.hosts,
  );
  add.flag(filterOption("-t, --tcp", "TCP connections"), () => filter.protocols.push("tcp"));
  add.flag(filterOption("-u, --udp", "UDP flows"), () => filter.protocols.push("udp"));
  add.flag(filterOption("-4, --ipv4", "IPv4"), () => filter.families.push(4));
  add.flag(filterOption("-6, --ipv6", "IPv6"), () => filter.families.push(6));
  add.flag(filterOption("--no-loopback", "hide flows between two loopback addresses"), () => {
    filter.noLoopback = true;
  });
}

/** Adds them, and gives what they set. */
export function flowOptions(add: OptionAdder): FlowSettings {
  const filter: FilterDraft = {
    pids: [],
    processes: [],
    ports: [],
    hosts: [],
    protocols: [],
    families: [],
    noLoopback: false,
  };
  const draft: Draft = {
    filter,
    all: false,
    udpTimeoutS: DEFAULT_UDP_TIMEOUT_S,
    maxTcpFlows: undefined,
    maxUdpFlows: undefined,
  };
  add.value(
    {
      group: "refresh",
      flags: "--udp-timeout <seconds>",
      description: `idle time that ends a UDP flow (default ${DEFAULT_UDP_TIMEOUT_S})`,
      isOfCapture: true,
    },
    SECONDS,
    (udpTimeoutS) => {
      draft.udpTimeoutS = udpTimeoutS;
    },
  );
  addFilters(add, filter);
  add.flag(filterOption("-a, --all", "also listening and TIME_WAIT sockets"), () => {
    draft.all = true;
  });
  const knob = (flags: string): OptionSpec => ({
    group: "hidden",
    flags,
    description: "",
    isOfCapture: true,
  });
  add.value(knob("--max-tcp-flows <count>"), FLOWS, (count) => {
    draft.maxTcpFlows = count;
  });
  add.value(knob("--max-udp-flows <count>"), FLOWS, (count) => {
    draft.maxUdpFlows = count;
  });
  return draft;
}
