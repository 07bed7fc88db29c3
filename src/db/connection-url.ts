import type { ConnectionOptions } from 'node:tls';

/**
 * The same connection, acting as another role from its first statement on. The login must be allowed to become
 * that role.
 */
export function withRole(connectionString: string, role: string): string {
  const url = new URL(connectionString);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
}

/** Whether a connection is encrypted, and whether the server's certificate is verified. */
export type TlsChoice = 'verify' | 'no-verify' | 'off';

/**
 * A connection's TLS options for node-postgres. Without a choice, a server on this machine gets no TLS and any
 * other server is verified. Each URL is judged by its own host, because a pooler may run here and the server
 * elsewhere.
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
