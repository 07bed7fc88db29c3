import { AppError } from '../errors.ts';
import { anonymous } from './claims.ts';
import type { Claims } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { TokenError } from './token-error.ts';

/** Whether a tenant is locked out, as far as this process knows. */
export type IsSuspended = (tenantId: string) => boolean;

/**
 * Returns the claims behind an Authorization header; without one, those of an anonymous request. Rejects with
 * AppError: TOKEN_* or TENANT_SUSPENDED.
 */
export type Authenticate = (authorization: string | undefined) => Promise<Claims>;

/** Verifies tokens, and refuses those of a suspended tenant even before they expire. */
export function makeAuthenticate(verifyToken: VerifyToken, isSuspended: IsSuspended): Authenticate {
  return async (authorization) => {
    if (authorization === undefined || authorization === '') return anonymous;
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      throw new AppError('TOKEN_MALFORMED', 'expected an Authorization header of the form: Bearer <token>');
    }
    let claims: Claims;
    try {
      claims = await verifyToken(token);
    } catch (error) {
      if (error instanceof TokenError) throw new AppError(error.code, error.message, { cause: error });
      throw error;
    }
    if (claims.tenantId !== null && isSuspended(claims.tenantId)) {
      throw new AppError('TENANT_SUSPENDED', `the tenant ${claims.tenantId} is suspended`);
    }
    return claims;
  };
}
