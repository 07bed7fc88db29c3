import { AppError } from '../errors.ts';
import { isApiKey } from './api-key.ts';
import { anonymous } from './claims.ts';
import type { Claims } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { isSessionToken } from './session-token.ts';
import { TokenError } from './token-error.ts';

/** Whether a tenant is locked out, as far as this process knows. */
export type IsSuspended = (tenantId: string) => boolean;

/**
 * Returns the claims behind an Authorization header; without one, those of an anonymous request. Rejects with
 * AppError: TOKEN_*, SESSION_ENDED, KEY_ENDED or TENANT_SUSPENDED.
 */
export type Authenticate = (authorization: string | undefined) => Promise<Claims>;

/** The verification of each kind of token. */
export interface TokenKinds {
  readonly jwt: VerifyToken;
  readonly session: VerifyToken;
  readonly key: VerifyToken;
}

/** Verifies tokens of every kind, and refuses those of a suspended tenant even before they expire. */
export function makeAuthenticate(kinds: TokenKinds, isSuspended: IsSuspended): Authenticate {
  return async (authorization) => {
    if (authorization === undefined || authorization === '') return anonymous;
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      throw new AppError('TOKEN_MALFORMED', 'expected an Authorization header of the form: Bearer <token>');
    }
    let claims: Claims;
    try {
      claims = await kindOf(token, kinds)(token);
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

function kindOf(token: string, { jwt, session, key }: TokenKinds): VerifyToken {
  if (isApiKey(token)) return key;
  return isSessionToken(token) ? session : jwt;
}

/** Authentication at the doors to the data of tenants. Refuses operators, who have no tenant (PERMISSION_DENIED). */
export function ofTenants(authenticate: Authenticate): Authenticate {
  return async (authorization) => {
    const claims = await authenticate(authorization);
    if (claims.role !== 'operator') return claims;
    throw new AppError('PERMISSION_DENIED', 'an operator has no tenant: /ops/v1 and /ops/graphql are open');
  };
}

/** Authentication at the doors of operators. Refuses everybody else (AUTHENTICATION_REQUIRED, PERMISSION_DENIED). */
export function ofOperators(authenticate: Authenticate): Authenticate {
  return async (authorization) => {
    const claims = await authenticate(authorization);
    if (claims.role === 'operator') return claims;
    if (claims.role === 'anon')
      throw new AppError('AUTHENTICATION_REQUIRED', 'this needs the token of an operator');
    throw new AppError(
      'PERMISSION_DENIED',
      `this needs the token of an operator; the token has the role ${claims.role}`,
    );
  };
}
