import { requesterSettings } from '../auth/requester.ts';
import { AppError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { RestError } from '../rest/errors.ts';
import type { RestErrorCode } from '../rest/errors.ts';
import type { IdentifyRequester, Requester } from '../rest/requester.ts';
import type { Authenticate } from '../auth/authenticate.ts';
import type { Claims } from '../auth/claims.ts';

/** Identifies REST's requesters by this project's own tokens. The messages are those that PostgREST's clients know. */
export function identifyByClaims(authenticate: Authenticate, rolePrefix: string): IdentifyRequester {
  // A token's claims stay the same object for as long as they are cached.
  const requesters = new WeakMap<Claims, Requester>();
  return async (authorization) => {
    const claims = await authenticate(authorization).catch(refuse);
    let requester = requesters.get(claims);
    if (!requester) {
      requester = requesterOf(claims, rolePrefix);
      requesters.set(claims, requester);
    }
    return requester;
  };
}

function requesterOf(claims: Claims, rolePrefix: string): Requester {
  const settings = requesterSettings(claims, { rolePrefix });
  return Object.freeze({
    role: settings['role'] ?? '',
    settings: Object.freeze(settings),
    isAnonymous: claims.role === 'anon',
    claims,
  });
}

const refusals: Partial<Record<ErrorCode, readonly [code: RestErrorCode, message: string]>> = {
  TOKEN_MALFORMED: ['PGRST301', "JWT couldn't be decoded"],
  TOKEN_FORGED: ['PGRST301', 'JWT cryptographic operation failed'],
  TOKEN_EXPIRED: ['PGRST303', 'JWT expired'],
  TOKEN_CLAIMS: ['PGRST303', 'Parsing claims failed'],
  SESSION_ENDED: ['PGRST303', 'Session ended'],
  KEY_ENDED: ['PGRST303', 'API key ended'],
};

function refuse(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  if (error.code === 'TOKEN_KEYS_UNKNOWN') throw new RestError('LTR503', error.message, { cause: error });
  if (error.code === 'TENANT_SUSPENDED') throw new RestError('LTR403', error.message, { cause: error });
  if (error.code === 'DATABASE_BUSY') throw new RestError('PGRST003', error.message, { cause: error });
  if (error.code === 'AUTHENTICATION_REQUIRED')
    throw new RestError('PGRST302', error.message, { cause: error });
  if (error.code === 'PERMISSION_DENIED') throw new RestError('42501', error.message, { cause: error });
  const [code, message] = refusals[error.code] ?? [];
  if (code === undefined || message === undefined) throw error;
  const challenge = `Bearer error="invalid_token", error_description=${JSON.stringify(message)}`;
  throw new RestError(code, message, {
    details: error.message,
    headers: [['WWW-Authenticate', challenge]],
    cause: error,
  });
}
