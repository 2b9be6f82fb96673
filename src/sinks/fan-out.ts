/** Hands refreshes to all sinks. */
import { POLICIES, type Sink } from "../core/sink.ts";

/**
 * What must be written is written before anybody sees it. The end of one sink is the end of all: the others get the
 * refresh in which it shows as their last one.
 */
export class FanOut<Refresh> {
  readonly #sinks: readonly Sink<Refresh>[];

  constructor(sinks: readonly Sink<Refresh>[]) {
    this.#sinks = POLICIES.flatMap((policy) => sinks.filter((sink) => sink.policy === policy));
  }

  start(refresh: Refresh): void {
    for (const sink of this.#sinks) sink.start(refresh);
  }

  refresh(refresh: Refresh, isLast: boolean): void {
    let isOver = isLast;
    for (const sink of this.#sinks) {
      sink.refresh(refresh, isOver);
      isOver ||= sink.hasEnded;
    }
  }

  get hasEnded(): boolean {
    return this.#sinks.some(({ hasEnded }) => hasEnded);
  }

  /** Resolves once every sink has taken every refresh. */
  async ready(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.ready?.()));
  }

  pass(refresh: Refresh): void {
    for (const sink of this.#sinks) sink.pass?.(refresh);
  }

  rewind(): void {
    for (const sink of this.#sinks) sink.rewind?.();
  }

  played(): void {
    for (const sink of this.#sinks) sink.played?.();
  }
}
