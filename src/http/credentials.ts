import type { IncomingHttpHeaders } from 'node:http';

/**
 * The Authorization header; without one the `apikey` header as a bearer token, as Supabase's clients and their users send
 * it. Beside an Authorization header `apikey` means nothing: clients put a key into it and the person's token into the
 * other, and a request runs for one of them. Undefined: neither was sent.
 */
export function authorizationOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization, apikey } = headers;
  if (authorization !== undefined && authorization !== '') return authorization;
  return typeof apikey === 'string' && apikey !== '' ? `Bearer ${apikey}` : undefined;
}
