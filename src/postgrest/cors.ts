import type { IncomingHttpHeaders } from 'node:http';
import type { CorsAnswer } from '../http/cors.ts';
import type { Header } from '../rest/response/rest-response.ts';

/** PostgREST answers every OPTIONS request with this, whatever origins are allowed. */
const onOptions: readonly Header[] = [['Access-Control-Allow-Origin', '*']];
const nothing: CorsAnswer = { preflight: null, headers: [], onOptions };

/**
 * Cross-origin resource sharing as PostgREST does it (CORS). A preflight that asks for something that is not allowed is
 * treated like any OPTIONS request: without the headers, the browser stops there.
 *
 * @param allowedOrigins null or empty: every origin, without credentials
 */
export function postgrestCors(
  method: string,
  headers: IncomingHttpHeaders,
  allowedOrigins: readonly string[] | null,
): CorsAnswer {
  const { origin } = headers;
  if (origin === undefined) return nothing;
  const any = allowedOrigins === null || allowedOrigins.length === 0;
  if (!any && !allowedOrigins.includes(origin)) return nothing;
  const allow: readonly Header[] = any
    ? [['Access-Control-Allow-Origin', '*']]
    : [
        ['Access-Control-Allow-Origin', origin],
        ['Access-Control-Allow-Credentials', 'true'],
      ];
  if (method !== 'OPTIONS') {
    return {
      preflight: null,
      headers: [...allow, ['Access-Control-Expose-Headers', exposedHeaders]],
      onOptions,
    };
  }
  const asked = headers['access-control-request-method'];
  if (asked === undefined || !methods.includes(asked)) return nothing;
  const preflight: readonly Header[] = [
    ...allow,
    ['Access-Control-Allow-Methods', methods.join(', ')],
    ...allowHeaders(headers['access-control-request-headers']),
    ['Access-Control-Max-Age', '86400'],
    ['Content-Length', '0'],
  ];
  return { preflight, headers: [], onOptions };
}

const methods: readonly string[] = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'];
const alwaysAllowed = ['Accept', 'Accept-Language', 'Content-Language'];
const exposedHeaders =
  'Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit';

/** Allows every header that is asked for. */
function allowHeaders(asked: string | undefined): Header[] {
  if (asked === undefined) return [];
  const names = new Map<string, string>();
  for (const name of ['Authorization', ...asked.split(','), ...alwaysAllowed]) {
    const trimmed = name.trim();
    if (trimmed !== '' && !names.has(trimmed.toLowerCase())) names.set(trimmed.toLowerCase(), trimmed);
  }
  return [['Access-Control-Allow-Headers', [...names.values()].join(', ')]];
}
