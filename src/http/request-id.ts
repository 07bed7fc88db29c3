import { randomBytes } from 'node:crypto';
import type { RequestHandler, Response } from 'express';

/** Letters, digits and a few marks: these need no escaping in a log line, a header or the audit log. */
const sane = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/** Random per process, with a counter behind it: unique and cheap. */
const prefix = randomBytes(6).toString('base64url');
let count = 0;

/** A unique id. */
export function newRequestId(): string {
  return `${prefix}-${(++count).toString(36)}`;
}

/** The caller's own request id if it is sane, otherwise a new one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === 'string' && sane.test(header) ? header : newRequestId();
}

/** Gives every request an id, `X-Request-Id`, which appears in the answer, the log and the audit log. */
export const requestId: RequestHandler = (request, response, next) => {
  const id = requestIdFrom(request.headers['x-request-id']);
  response.locals['requestId'] = id;
  response.setHeader('X-Request-Id', id);
  next();
};

/** The id that `requestId` assigned. */
export function requestIdOf(response: Response): string {
  return response.locals['requestId'] as string;
}
