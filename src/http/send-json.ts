import type { ServerResponse } from 'node:http';
import { retryAfterSeconds } from '../errors.ts';

/** Answers with JSON text. A 503 and a 429 say when to come again. */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  contentType = 'application/json; charset=utf-8',
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(json),
    'Cache-Control': 'no-store',
    // A caller that knows a better time has set it.
    ...((status === 503 || status === 429) &&
      !response.hasHeader('Retry-After') && { 'Retry-After': retryAfterSeconds }),
  });
  response.end(json);
}
