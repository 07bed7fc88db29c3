import { BoundedMap } from '../bounded-map.ts';
import type { LookupCounts } from '../bounded-map.ts';
import { checkClaims } from './registered-claims.ts';
import type { ClaimRules } from './registered-claims.ts';
import { RefusedToken } from './refused-token.ts';
import { readTokenHeader, verifySignature } from './signed-token.ts';
import type { TokenPayload } from './signed-token.ts';
import type { TokenKeys } from './token-keys.ts';

/** Reads JWTs. */
export interface TokenReader<T> {
  /** Rejects with RefusedToken, or as the maker of the value does. */
  read(token: string): Promise<T>;
  counts(): LookupCounts;
}

/** The keys and rules by which tokens are judged. */
export interface ReaderOptions {
  readonly keys: TokenKeys;
  readonly rules: ClaimRules;
  /** How many tokens with a verified signature are remembered; 0: none. */
  readonly maxRemembered: number;
}

/**
 * Reads tokens for `serve` and for `lightning rest`. A signature is verified once, and remembered while the key that made it is
 * one of the keys: the same bytes were signed a moment ago, and to verify them at every request is the larger part of a small
 * query. The claims are checked against the clock at every request. A forged token is never remembered, so forged ones cannot push
 * the honest ones out.
 *
 * @param make makes what a token stands for, once for each token that is remembered
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeTokenReader<T extends object>(
  { keys, rules, maxRemembered }: ReaderOptions,
  make: (payload: TokenPayload, keyId: string) => T,
  now: () => number = Date.now,
): TokenReader<T> {
  const remembered = new BoundedMap<string, Remembered<T>>(maxRemembered);

  const verify = async (token: string): Promise<Remembered<T>> => {
    const header = readTokenHeader(token);
    const isKnown = (): boolean => keys.current.keys.some(({ kid }) => kid === header.kid);
    // Only a token that names an unknown key can be good for a look at the published keys, and `lookAgain` is sparing.
    if (header.kid !== undefined && !isKnown()) await keys.lookAgain();
    const { keys: known, complete } = keys.current;
    try {
      const { payload, key } = await verifySignature(token, header, known);
      return { payload, keyId: key.id, value: null };
    } catch (error) {
      const isAboutKeys = error instanceof RefusedToken && error.refusal.kind.endsWith('-key');
      throw isAboutKeys && !complete ? new RefusedToken({ kind: 'keys-unknown' }) : error;
    }
  };

  return {
    read: async (token) => {
      let entry = remembered.get(token);
      if (entry !== undefined && !keys.current.ids.has(entry.keyId)) {
        remembered.delete(token);
        entry = undefined;
      }
      if (entry === undefined) {
        entry = await verify(token);
        // The key may have been taken away while the signature was verified.
        if (keys.current.ids.has(entry.keyId)) remembered.set(token, entry);
        else throw new RefusedToken({ kind: 'no-key' });
      }
      checkClaims(entry.payload.claims, rules, Math.floor(now() / 1000));
      return (entry.value ??= make(entry.payload, entry.keyId));
    },
    counts: () => remembered.counts,
  };
}

interface Remembered<T> {
  readonly payload: TokenPayload;
  readonly keyId: string;
  /** Null: not made yet, because the claims did not hold so far. */
  value: T | null;
}
