import { ownKeys, parseJwtSecret } from '../../src/auth/jwt-keys.ts';
import type { ClaimRules } from '../../src/auth/registered-claims.ts';
import { fixedKeys } from '../../src/auth/token-keys.ts';
import type { TokenKeys } from '../../src/auth/token-keys.ts';

/** A secret that production takes. */
export const strongSecret = '9b1f8a64c37de2059a4be17c6d0358f2e1c94a7b60d5f3829c0eb7416fa2d358';

/** The keys of a secret, as they are. */
export function keysOf(secret: string): TokenKeys {
  return fixedKeys(parseJwtSecret(Buffer.from(secret), ownKeys));
}

/** The rules for the claims of tokens where nothing is configured. */
export const usualRules: ClaimRules = {
  issuer: null,
  audience: null,
  forEverybody: false,
  maxLifetimeSeconds: null,
  skewSeconds: 5,
};
