import type { IncomingHttpHeaders } from 'node:http';

/**
 * The Authorization header, or else the `apikey` header as a bearer token: Supabase's clients and their users send it
 * that way. Beside an Authorization header `apikey` is ignored: clients put a project key into it and the person's
 * token into Authorization, and a request runs for one of them. Undefined: neither was sent.
 */
export function authorizationOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization, apikey } = headers;
  if (authorization !== undefined && authorization !== '') return authorization;
  return typeof apikey === 'string' && apikey !== '' ? `Bearer ${apikey}` : undefined;
}
