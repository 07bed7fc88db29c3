import { randomBytes } from 'node:crypto';
import type { RequestHandler, Response } from 'express';

/** Letters, digits and a few marks: what can stand in a log line, a header and the audit log as it is. */
const sane = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/** Random per process and counted within it: unique, and cheap. */
const prefix = randomBytes(6).toString('base64url');
let count = 0;

/** An id that nothing else has. */
export function newRequestId(): string {
  return `${prefix}-${(++count).toString(36)}`;
}

/** The caller's own id of a request when it is sane, else a new one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === 'string' && sane.test(header) ? header : newRequestId();
}

/** Gives every request an id, `X-Request-Id`: in the answer, the log and the audit log. */
export const requestId: RequestHandler = (request, response, next) => {
  const id = requestIdFrom(request.headers['x-request-id']);
  response.locals['requestId'] = id;
  response.setHeader('X-Request-Id', id);
  next();
};

/** The id that `requestId` gave. */
export function requestIdOf(response: Response): string {
  return response.locals['requestId'] as string;
}
