import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';

/**
 * A request's target as path and query. Also accepts the form sent to a proxy: `GET http://host/path` (RFC 9112,
 * 3.2.2).
 */
export function withOriginForm(target: string): string {
  if (target.startsWith('/')) return target;
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Whether a request names its host (RFC 9112, 3.2); only HTTP/1.0 may leave that out. */
export function hasHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host !== undefined || httpVersion === '1.0';
}

/** Refuses requests without a host, as `hasHost` defines it. */
export const withHost: RequestHandler = (request, _response, next) => {
  if (!hasHost(request)) {
    throw new AppError('MALFORMED_REQUEST', 'the request has no Host header');
  }
  next();
};
