import type { IncomingMessage } from 'node:http';
import { anonymous } from '../auth/claims.ts';
import { AppError } from '../errors.ts';
import type { Traffic } from '../http/traffic.ts';
import { RestError } from '../rest/errors.ts';
import type { RestTraffic } from '../rest/handler.ts';

/** The limits on callers as REST says them. */
export function restTraffic(traffic: Traffic): RestTraffic {
  return {
    arrive: (request: IncomingMessage) => inRestWords(() => traffic.arrive(request)),
    begin: ({ claims = anonymous }) => inRestWords(() => traffic.begin(claims)),
  };
}

function inRestWords<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new RestError('LTR429', error.message, { hint: error.hint, cause: error });
  }
}
