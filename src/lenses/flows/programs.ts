/** The flows' BPF programs: what they are loaded with, which of them are used, what is missed without some. */
import type { KernelFacts, NativeSource, SourceHost, SourceSpec, StepDown } from "../../core/source.ts";
import { Attempts } from "../../core/source.ts";
import type { TableSizes } from "./bounds.ts";
import { LOSSES, OWNER, RECORD } from "./layout.gen.ts";
import { Translation } from "./translation.ts";

export interface ProgramOptions {
  /** A backend, or `auto`. */
  readonly backend: string;
  /** A UDP flow ends this long after its last datagram. */
  readonly udpIdleNs: number;
  readonly maxTcpFlows: number;
  readonly maxUdpFlows: number;
  readonly ringBytes: number;
}

/** In order of preference: cheapest hooks first. */
const OBJECTS = ["fentry", "kprobe", "tracepoint"] as const;
const BY_TRACING: string = "fentry";

export const SWEEP_TCP = "sweep_tcp";
export const SWEEP_UDP = "sweep_udp";
export const OWNERS = "seed_owners";

/** Programs that a datagram is lost to where the kernel skips them. A skipped TCP program is made up for. */
const DATAGRAM_PROGRAMS = ["send_ipv4", "send_ipv6", "consume"] as const;

/** A moving flow that no sweep has read for this long (long refresh intervals) is sampled. */
const SAMPLE_NS = 2e9;

/** A small LRU table forgets entries before it is full. */
const LEAST_UDP_OWNERS = 4096;

/** A power of two of at least a page, as the kernel wants it. */
function ringSize(bytes: number, { pageBytes }: KernelFacts): number {
  return Math.max(pageBytes, 2 ** Math.ceil(Math.log2(bytes)));
}

function specOf(options: ProgramOptions, facts: KernelFacts): SourceSpec {
  const ring = ringSize(options.ringBytes, facts);
  return {
    ring: { map: "events", recordBytes: RECORD.size },
    constants: {
      start_ns: process.hrtime.bigint(),
      udp_idle_ns: BigInt(Math.round(options.udpIdleNs)),
      tick_ns: BigInt(facts.tickNs),
      sample_ticks: BigInt(Math.floor(SAMPLE_NS / facts.tickNs)),
      ring_event_limit: BigInt((ring / 4) * 3),
    },
    sizes: {
      tcp_flows: options.maxTcpFlows,
      udp_flows: options.maxUdpFlows,
      udp_owners: Math.max(2 * options.maxUdpFlows, LEAST_UDP_OWNERS),
      events: ring,
    },
    iterators: {
      [SWEEP_TCP]: { map: "tcp_flows", recordBytes: RECORD.size },
      [SWEEP_UDP]: { map: "udp_flows", recordBytes: RECORD.size },
      [OWNERS]: { map: null, recordBytes: OWNER.size },
    },
    variables: {
      losses: LOSSES.size,
      unowned_flows: 8,
      walks: 4,
      report_all: 1,
      udp_by_call: 1,
      udp_may_hide: 1,
    },
    conditions: {
      // A return of accept() is needed only where nothing else sees the socket on its way to the program.
      accepted: { without: "security_sock_graft" },
      // Of Linux 6.11, which tells whose datagram is dropped.
      datagram_dropped: { parameters: 4 },
      sends_to_ipv4: { mayFail: true },
      sends_to_ipv6: { mayFail: true },
    },
  };
}

/** The flows' programs at work. */
export interface Programs {
  readonly backend: string;
  readonly source: NativeSource;
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
  readonly translation: Translation | null;
}

/** Programs for cgroups that see the datagrams themselves, which are counted at the calls without them. */
const SEES_DATAGRAMS = new Set(["datagram_out", "datagram_in"]);

/** What is not seen without the programs that are not attached. */
function limitsOf(backend: string, { leftOut }: NativeSource): StepDown[] {
  return leftOut.flatMap(({ program, reason }) => {
    if (program === "datagram_dropped") {
      const lost =
        "UDP datagrams that a full receive buffer, a socket's filter or another cgroup program drops are counted as " +
        "received (the kernel is older than 6.11)";
      return [{ backend, reason: lost }];
    }
    if (reason === null) return [];
    const missing = SEES_DATAGRAMS.has(program)
      ? "UDP of unconnected sockets is not seen: cgroup_skb cannot be attached"
      : "UDP that an unconnected socket sends through IPsec is counted as untracked";
    return [{ backend, reason: `${missing} (${reason})` }];
  });
}

function countsUdpByCall({ leftOut }: NativeSource): boolean {
  return leftOut.some(({ program, reason }) => reason !== null && SEES_DATAGRAMS.has(program));
}

/**
 * On a preemptible kernel another task's datagram is skipped where it meets an fentry program that was preempted on that
 * processor (docs/adr/0012-*.md), so fentry comes last.
 */
function candidates({ backend }: ProgramOptions, { isPreemptible }: KernelFacts): string[] {
  const chosen = OBJECTS.filter((name) => backend === "auto" || backend === name);
  return isPreemptible ? chosen.reverse() : chosen;
}

/** Why cheaper backends were passed over, and what the one in use may miss. */
function remarks(used: string, { backend }: ProgramOptions, { isPreemptible }: KernelFacts): StepDown[] {
  if (!isPreemptible) return [];
  if (used === BY_TRACING) {
    const reason =
      "where the kernel preempts a task, UDP datagrams of another one may be missed; they are counted as " +
      "datagrams_untracked";
    return [{ backend: BY_TRACING, reason }];
  }
  if (backend !== "auto") return [];
  return [{ backend: BY_TRACING, reason: "used last: UDP is not exact where a kernel preempts its tasks" }];
}

/** Datagrams that the kernel did not show to a program. */
export function missedDatagrams(source: NativeSource): number {
  return DATAGRAM_PROGRAMS.reduce((sum, program) => sum + source.skipped(program), 0);
}

/**
 * Opens the first backend that works. On a preemptible kernel one that counts UDP at the calls is used where only
 * fentry would be left. Throws SourceError and NothingWorks.
 */
export function openPrograms(host: SourceHost, options: ProgramOptions): Programs {
  const { facts } = host;
  const spec = specOf(options, facts);
  const names = candidates(options, facts);
  const attempts = new Attempts((name) => host.open(name, spec));
  let spare: { readonly backend: string; readonly source: NativeSource } | null = null;
  const use = (backend: string, source: NativeSource): Programs => {
    const byCall = countsUdpByCall(source);
    if (byCall) source.write("udp_by_call", 1n);
    const translation = Translation.of(host, source);
    const fault = translation?.fault() ?? null;
    return {
      backend,
      source,
      stepDowns: [
        ...attempts.stepDowns,
        ...remarks(backend, options, facts),
        ...limitsOf(backend, source),
        ...(fault === null ? [] : [{ backend, reason: fault }]),
      ],
      tableSizes: { maxTcpFlows: options.maxTcpFlows, maxUdpFlows: options.maxUdpFlows },
      translation,
    };
  };
  for (const name of names) {
    if (spare !== null && name === BY_TRACING) break;
    const source = attempts.open(name);
    if (source === null) continue;
    if (!facts.isPreemptible || names.length === 1 || !countsUdpByCall(source)) {
      spare?.source.close();
      return use(name, source);
    }
    spare = { backend: name, source };
  }
  return spare === null ? attempts.fail() : use(spare.backend, spare.source);
}
