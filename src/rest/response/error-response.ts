import { retryAfterSeconds, stoppedRetryAfterSeconds } from '../../errors.ts';
import type { RestOptions } from '../options.ts';
import type { Header, RestResponse } from './rest-response.ts';

/** The parts of an error's answer: a RestError, or an error of the database (database-error.ts). */
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

/** The answer to an error (PostgREST, Errors). */
export function errorResponse(error: ShownError, verbosity: RestOptions['errorVerbosity']): RestResponse {
  const body = errorBody(error, verbosity);
  const headers: Header[] = [
    ['Content-Type', 'application/json; charset=utf-8'],
    ['Content-Length', String(Buffer.byteLength(body))],
    // A code that a function made up may contain any character.
    ['Proxy-Status', `PostgREST; error=${error.code.replaceAll(/[^\x21-\x7e]/g, '')}`],
    ...(error.status === 503 || error.status === 429
      ? [['Retry-After', error.code === 'LTO01' ? stoppedRetryAfterSeconds : retryAfterSeconds] as const]
      : []),
    ...error.headers,
  ];
  return { status: error.status, reason: error.reason, headers, body };
}

/** The body; `minimal` has only code and message (PostgREST, Configuration, client-error-verbosity). */
export function errorBody(
  { code, details, hint, message }: Pick<ShownError, 'code' | 'details' | 'hint' | 'message'>,
  verbosity: RestOptions['errorVerbosity'],
): string {
  return JSON.stringify(verbosity === 'minimal' ? { code, message } : { code, details, hint, message });
}
