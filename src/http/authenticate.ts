import type { RequestHandler, Response } from 'express';
import type { Authenticate } from '../auth/authenticate.ts';
import type { Claims } from '../auth/claims.ts';

/** Finds out who asks, before anything else of the request is looked at. Refusals go to the error handler. */
export function authenticated(authenticate: Authenticate): RequestHandler {
  return async (request, response, next) => {
    response.locals['claims'] = await authenticate(request.headers.authorization);
    next();
  };
}

/** Who asks, as `authenticated` found out. */
export function claimsOf(response: Response): Claims {
  return response.locals['claims'] as Claims;
}
