import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';

/** A request's target as path and query, also where it came as to a proxy: `GET http://host/path` (RFC 9112, 3.2.2). */
export function withOriginForm(target: string): string {
  if (target.startsWith('/')) return target;
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Whether a request says whom it is for (RFC 9112, 3.2); only HTTP/1.0 may leave that out. */
export function hasHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host !== undefined || httpVersion === '1.0';
}

/** Refuses what `hasHost` says no to. */
export const withHost: RequestHandler = (request, _response, next) => {
  if (!hasHost(request)) {
    throw new AppError('MALFORMED_REQUEST', 'the request has no Host header');
  }
  next();
};
