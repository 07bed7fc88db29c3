import type { RequestHandler } from 'express';
import { claimsOf } from './authenticate.ts';
import type { Traffic } from './traffic.ts';

/** Counts each request for its address. One too many goes to the error handler. */
export function arriving(traffic: Traffic): RequestHandler {
  return (request, _response, next) => {
    traffic.arrive(request);
    next();
  };
}

/** Counts each request for its token, once `authenticated` knows it, until it is answered. */
export function counted(traffic: Traffic): RequestHandler {
  return (_request, response, next) => {
    response.once('close', traffic.begin(claimsOf(response)));
    next();
  };
}
