import type { RequestHandler, Response } from 'express';
import type { Authenticate } from '../auth/authenticate.ts';
import type { Claims } from '../auth/claims.ts';
import { authorizationOf } from './credentials.ts';
import { Stopwatch } from './stopwatch.ts';

/** Finds out who asks, before anything else of the request is looked at. Refusals go to the error handler. */
export function authenticated(authenticate: Authenticate): RequestHandler {
  return async (request, response, next) => {
    const stopwatch = new Stopwatch();
    response.locals['stopwatch'] = stopwatch;
    response.locals['claims'] = await authenticate(authorizationOf(request.headers));
    stopwatch.lap('jwt');
    next();
  };
}

/** Who asks, as `authenticated` found out. */
export function claimsOf(response: Response): Claims {
  return response.locals['claims'] as Claims;
}

/** Runs since the request came; what it took to find out who asks is its first lap. */
export function stopwatchOf(response: Response): Stopwatch {
  return response.locals['stopwatch'] as Stopwatch;
}
