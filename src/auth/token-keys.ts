import type { JwtKey } from './jwt-keys.ts';

/** The keys of a moment. */
export interface KeyRing {
  readonly keys: readonly JwtKey[];
  /** The ids of these keys. */
  readonly ids: ReadonlySet<string>;
  /** False: the published keys were never read, so that a token of an unknown key may still be a good one. */
  readonly complete: boolean;
}

/** The keys that tokens are verified with, as this process knows them. */
export interface TokenKeys {
  readonly current: KeyRing;
  /**
   * Looks whether new keys were published. Resolves at once where there are none to look for, and where that was done a short
   * while ago. Never rejects.
   */
  lookAgain(): Promise<void>;
  /** Calls back once, when the key of this id is no longer one of the keys. The returned function ends the watch. */
  watch(keyId: string, onGone: () => void): () => void;
}

/** Makes the keys of a moment. */
export function keyRing(keys: readonly JwtKey[], complete = true): KeyRing {
  return { keys, ids: new Set(keys.map(({ id }) => id)), complete };
}

/** Keys that stay what they are. */
export function fixedKeys(keys: readonly JwtKey[]): TokenKeys {
  return { current: keyRing(keys), lookAgain: async () => {}, watch: () => () => {} };
}
