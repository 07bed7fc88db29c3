/** What a cache has done since it was made. */
export interface CacheCounts {
  readonly requests: number;
  readonly hits: number;
  readonly evictions: number;
}

/**
 * A bounded map that keeps what is asked for: when it is full the oldest entry goes, unless it was used since it was
 * looked at last (CLOCK, of which PostgREST's SIEVE is a variant: one flag per entry instead of moving it at each use).
 */
export class SecondChanceCache<Value> {
  readonly #maxEntries: number;
  readonly #entries = new Map<string, { readonly value: Value; used: boolean }>();
  #requests = 0;
  #hits = 0;
  #evictions = 0;

  /** 0: nothing is kept. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get counts(): CacheCounts {
    return { requests: this.#requests, hits: this.#hits, evictions: this.#evictions };
  }

  get(key: string): Value | undefined {
    if (this.#maxEntries === 0) return undefined;
    this.#requests++;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#hits++;
    entry.used = true;
    return entry.value;
  }

  set(key: string, value: Value): void {
    if (this.#maxEntries === 0) return;
    this.#entries.delete(key);
    while (this.#entries.size >= this.#maxEntries) this.#makeRoom();
    this.#entries.set(key, { value, used: false });
  }

  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (!entry.used) {
        this.#evictions++;
        return;
      }
      entry.used = false;
      this.#entries.set(key, entry);
    }
  }
}
