/**
 * The channels of each listener. The engine's one session listens on all of them, and its notifications are
 * passed on from here. `L` is the listener's identity. Channels are latin1.
 */
export class Channels<L> {
  readonly #listeners = new Map<string, Set<L>>();
  readonly #channels = new Map<L, ReadonlySet<string>>();
  /** The channels that the engine listens on. */
  #engine = new Set<string>();
  #behind = false;

  /**
   * Sets the channels of a listener; an empty set removes it. The engine has already run the LISTEN or UNLISTEN
   * behind the change.
   */
  set(listener: L, channels: ReadonlySet<string>): void {
    const before = this.#channels.get(listener);
    if (before === channels || (!before && channels.size === 0)) return;
    this.#behind = true;
    for (const channel of before ?? []) {
      if (channels.has(channel)) continue;
      const listeners = this.#listeners.get(channel);
      listeners?.delete(listener);
      if (listeners?.size === 0) this.#listeners.delete(channel);
    }
    for (const channel of channels) {
      const listeners = this.#listeners.get(channel) ?? new Set();
      this.#listeners.set(channel, listeners.add(listener));
      this.#engine.add(channel);
    }
    if (channels.size > 0) this.#channels.set(listener, channels);
    else this.#channels.delete(listener);
  }

  listeners(channel: string): Iterable<L> {
    return this.#listeners.get(channel) ?? [];
  }

  /** The engine was started again and listens on nothing. */
  forgetEngine(): void {
    this.#engine = new Set();
    this.#behind = true;
  }

  /**
   * Statements that make the engine listen on exactly the channels that have listeners. Assumes that the caller
   * runs them.
   */
  catchUp(): string[] {
    if (!this.#behind) return [];
    this.#behind = false;
    const statements: string[] = [];
    for (const channel of this.#listeners.keys()) {
      if (!this.#engine.has(channel)) statements.push(`listen ${identifier(channel)}`);
    }
    for (const channel of this.#engine) {
      if (!this.#listeners.has(channel)) statements.push(`unlisten ${identifier(channel)}`);
    }
    this.#engine = new Set(this.#listeners.keys());
    return statements;
  }
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
