/** What the kernel does to packets on their way out: NAT, by its connection tracking, and IPsec. */
import type { NativeSource, SourceHost } from "../../core/source.ts";

const CONNTRACK_TYPES = "kernel/btf/nf_conntrack";
const CONNTRACK = "module/nf_conntrack";
const IPSEC = ["module/esp4", "module/esp6"] as const;

/**
 * Has the programs of the `tracepoint` backend undo both (bpf/flows/udp-cgroup.h). On most kernels both are modules, which
 * may be loaded after the start.
 */
export class Translation {
  readonly #host: SourceHost;
  readonly #source: NativeSource;
  #isTold: boolean;
  /** Asked again once: the answer to the same types stays the same. */
  #hasAskedAgain = false;
  #mayHide = false;

  private constructor(host: SourceHost, source: NativeSource, isTold: boolean) {
    this.#host = host;
    this.#source = source;
    this.#isTold = isTold;
    this.lookAgain();
  }

  /** Null where the programs see no packets. */
  static of(host: SourceHost, source: NativeSource): Translation | null {
    const isKnown = source.tellConntrack();
    return isKnown === null ? null : new Translation(host, source, isKnown);
  }

  /** Cheap while nothing has been loaded; before each sweep. */
  lookAgain(): void {
    if (!this.#mayHide && IPSEC.some((module) => this.#host.hasInSys(module))) {
      this.#mayHide = true;
      this.#source.write("udp_may_hide", 1n);
    }
    if (this.#isTold || this.#hasAskedAgain || !this.#host.hasInSys(CONNTRACK_TYPES)) return;
    this.#hasAskedAgain = true;
    this.#isTold = this.#source.tellConntrack() === true;
  }

  /** Why NAT is not undone although it may be at work; null: it is, or there is none. */
  fault(): string | null {
    if (this.#isTold || !this.#host.hasInSys(CONNTRACK)) return null;
    return (
      "UDP that is translated (NAT) has its translated addresses: the kernel does not describe the types of " +
      "nf_conntrack"
    );
  }
}
