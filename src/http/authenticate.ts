import type { RequestHandler, Response } from 'express';
import type { Authenticate } from '../auth/authenticate.ts';
import type { Claims } from '../auth/claims.ts';
import { authorizationOf } from './credentials.ts';
import { Stopwatch } from './stopwatch.ts';

/** Identifies the caller before anything else in the request is read. Refusals go to the error handler. */
export function authenticated(authenticate: Authenticate): RequestHandler {
  return async (request, response, next) => {
    const stopwatch = new Stopwatch();
    response.locals['stopwatch'] = stopwatch;
    response.locals['claims'] = await authenticate(authorizationOf(request.headers));
    stopwatch.lap('jwt');
    next();
  };
}

/** The caller's claims, as `authenticated` found them. */
export function claimsOf(response: Response): Claims {
  return response.locals['claims'] as Claims;
}

/** The same where a request may have been refused before; null: it was. */
export function findClaims(response: Response): Claims | null {
  return (response.locals['claims'] as Claims | undefined) ?? null;
}

/** The stopwatch of the request, started when it came; its first lap is the identification of the caller. */
export function stopwatchOf(response: Response): Stopwatch {
  return response.locals['stopwatch'] as Stopwatch;
}
