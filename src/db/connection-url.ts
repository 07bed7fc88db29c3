import type { ConnectionOptions } from 'node:tls';

/** The same connection under another role from its first statement on; the login must be allowed to become it. */
export function withRole(connectionString: string, role: string): string {
  const url = new URL(connectionString);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
}

/** Whether a connection is encrypted, and the server's certificate verified. */
export type TlsChoice = 'verify' | 'no-verify' | 'off';

/**
 * TLS of a connection as node-postgres takes it. Without a choice a server on this machine gets none, and every other one
 * is verified; each URL by its own host: a pooler may be here and the server elsewhere.
 */
export function tlsOf(choice: TlsChoice | null, connectionString: string): ConnectionOptions | undefined {
  const tls = choice ?? (isLocal(connectionString) ? 'off' : 'verify');
  return tls === 'off' ? undefined : { rejectUnauthorized: tls === 'verify' };
}

function isLocal(connectionString: string): boolean {
  const parsed = URL.parse(connectionString);
  const host = parsed?.searchParams.get('host') ?? parsed?.hostname ?? '';
  return host.startsWith('/') || ['', 'localhost', '127.0.0.1', '[::1]'].includes(host);
}
