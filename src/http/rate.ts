/** Time that a caller may save up: one who was silent that long may send as much at once. */
const burstMs = 2_000;
/** Callers that are remembered; twice as many for a moment. */
const mostKeys = 50_000;

/**
 * A limit on requests a second for each key (the generic cell rate algorithm, a number for each key). Own lines instead
 * of rate-limiter-flexible, whose limiters in memory take a promise and a timer for each request.
 */
export class Rate {
  #intervalMs = 0;
  /** The moment at which each key has nothing left to answer for. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #turnedAt = 0;

  /** @param perSecond 0: no limit */
  constructor(perSecond: number) {
    this.limit(perSecond);
  }

  /** Sets another limit; what was counted stays counted. 0: none */
  limit(perSecond: number): void {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond;
  }

  /** Counts a request at this time (milliseconds); false: it is one too many, and is not counted. */
  take(key: string, now: number): boolean {
    if (this.#intervalMs === 0) return true;
    // Whoever was not seen for that long has nothing to answer for, so it can be forgotten.
    if (now - this.#turnedAt > burstMs || this.#young.size >= mostKeys) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#turnedAt = now;
    }
    const known = this.#young.get(key) ?? this.#old.get(key) ?? 0;
    const next = Math.max(known, now) + this.#intervalMs;
    if (next - now > burstMs) return false;
    this.#young.set(key, next);
    return true;
  }
}

/** Numbers of things that go on at the same time, with a most for each key. */
export class Tally {
  #most = 0;
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** @param most 0: no limit */
  constructor(most: number) {
    this.limit(most);
  }

  /** Sets another limit; those who are in stay in. 0: none */
  limit(most: number): void {
    this.#most = most;
  }

  /** The number for all keys together. */
  get total(): number {
    return this.#total;
  }

  /** False: it is one too many, and is not counted. */
  enter(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (this.#most > 0 && count >= this.#most) return false;
    this.#counts.set(key, count + 1);
    this.#total += 1;
    return true;
  }

  /** Takes one back that `enter` counted. */
  leave(key: string): void {
    this.#total -= 1;
    const count = this.#counts.get(key) ?? 0;
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }
}
