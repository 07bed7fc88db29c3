import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';

/**
 * Lets these methods through, lists them to OPTIONS, and refuses every other method. HEAD is answered wherever GET
 * is.
 */
export function methods(...allowed: readonly ('GET' | 'POST')[]): RequestHandler {
  const all = [...allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS'];
  const allow = all.join(', ');
  return (request, response, next) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(200, { Allow: allow, 'Content-Length': 0 }).end();
    } else if (all.includes(request.method)) {
      next();
    } else {
      response.setHeader('Allow', allow);
      throw new AppError(
        'METHOD_NOT_ALLOWED',
        `${request.baseUrl}${request.path} answers ${allow}, not ${request.method}`,
      );
    }
  };
}
