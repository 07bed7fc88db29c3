/** Counters of a map's look-ups since it was made. */
export interface LookupCounts {
  readonly requests: number;
  readonly hits: number;
  readonly evictions: number;
}

/**
 * A map of bounded size that keeps the entries in use. When it is full, the oldest entry goes, unless it was
 * used since it was last considered (CLOCK, of which PostgREST's SIEVE is a variant: one flag for each entry,
 * where LRU moves the entry at each use). Our own, because it takes one page, and a library adds times to live,
 * sizes and callbacks that nothing here needs.
 */
export class BoundedMap<Key, Value> {
  readonly #maxEntries: number;
  readonly #entries = new Map<Key, { readonly value: Value; used: boolean }>();
  #requests = 0;
  #hits = 0;
  #evictions = 0;

  /** @param maxEntries 0: the map keeps nothing */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get counts(): LookupCounts {
    return { requests: this.#requests, hits: this.#hits, evictions: this.#evictions };
  }

  /** Undefined: the key is not in the map. An entry that is found counts as used. */
  get(key: Key): Value | undefined {
    if (this.#maxEntries === 0) return undefined;
    this.#requests += 1;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#hits += 1;
    entry.used = true;
    return entry.value;
  }

  set(key: Key, value: Value): void {
    if (this.#maxEntries === 0) return;
    this.#entries.delete(key);
    while (this.#entries.size >= this.#maxEntries) this.#makeRoom();
    this.#entries.set(key, { value, used: false });
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (!entry.used) {
        this.#evictions += 1;
        return;
      }
      entry.used = false;
      this.#entries.set(key, entry);
    }
  }
}
