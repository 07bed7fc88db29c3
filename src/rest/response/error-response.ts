import type { RestOptions } from '../options.ts';
import type { Header, RestResponse } from './rest-response.ts';

/** What an error's answer is made of: a RestError, or what the database said (database-error.ts). */
export interface ShownError {
  readonly code: string;
  readonly status: number;
  /** See RestResponse. */
  readonly reason?: string | undefined;
  readonly message: string;
  readonly details: unknown;
  readonly hint: string | null;
  readonly headers: readonly Header[];
}

/** How long a client should wait before it tries again what failed for want of a database. */
const retryAfterSeconds = '1';

/** The answer to an error (PostgREST, Errors). */
export function errorResponse(error: ShownError, verbosity: RestOptions['errorVerbosity']): RestResponse {
  const body = errorBody(error, verbosity);
  const headers: Header[] = [
    ['Content-Type', 'application/json; charset=utf-8'],
    ['Content-Length', String(Buffer.byteLength(body))],
    // A code that a function made up may hold anything.
    ['Proxy-Status', `PostgREST; error=${error.code.replaceAll(/[^\x21-\x7e]/g, '')}`],
    ...(error.status === 503 ? [['Retry-After', retryAfterSeconds] as const] : []),
    ...error.headers,
  ];
  return { status: error.status, reason: error.reason, headers, body };
}

/** The body; `minimal` says code and message only (PostgREST, Configuration, client-error-verbosity). */
export function errorBody(
  { code, details, hint, message }: Pick<ShownError, 'code' | 'details' | 'hint' | 'message'>,
  verbosity: RestOptions['errorVerbosity'],
): string {
  return JSON.stringify(verbosity === 'minimal' ? { code, message } : { code, details, hint, message });
}
