import { RestError } from '../errors.ts';
import { isFinalStatus, isHeader } from './header-syntax.ts';
import type { Header, RestResponse } from './rest-response.ts';

/**
 * The answer with the status and headers that functions have set (PostgREST, Transactions, Response Headers). A
 * header set by a function replaces ours of the same name. Null and empty mean not set. Throws PGRST111 and PGRST112.
 */
export function override(
  response: RestResponse,
  responseHeaders: string | null,
  responseStatus: string | null,
): RestResponse {
  if (!responseHeaders && !responseStatus) return response;
  const status = responseStatus ? parseStatus(responseStatus) : response.status;
  const set = responseHeaders ? parseHeaders(responseHeaders) : [];
  const names = new Set(set.map(([name]) => name.toLowerCase()));
  const kept = response.headers.filter(([name]) => !names.has(name.toLowerCase()));
  return { ...response, status, headers: [...kept, ...set] };
}

function parseStatus(text: string): number {
  const status = Number(/^\d+/.exec(text)?.[0] ?? NaN);
  if (isFinalStatus(status)) return status;
  throw new RestError('PGRST112', 'response.status guc must be a valid status code');
}

function parseHeaders(text: string): Header[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(error);
  }
  if (!Array.isArray(parsed)) throw malformed();
  return parsed.map((item: unknown) => {
    const entries = typeof item === 'object' && item !== null ? Object.entries(item) : [];
    const [name, value] = entries[0] ?? [];
    if (entries.length !== 1 || name === undefined || typeof value !== 'string') throw malformed();
    if (!isHeader(name, value)) throw malformed();
    return [name, value];
  });
}

function malformed(cause?: unknown): RestError {
  return new RestError(
    'PGRST111',
    'response.headers guc must be a JSON array composed of objects with a single key and a string value',
    { cause },
  );
}
