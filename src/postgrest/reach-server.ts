import { Client, DatabaseError } from 'pg';
import type { ClientConfig } from 'pg';
import type { ConnectionTarget } from './connection-target.ts';

/** A server that answered. */
export interface ReachedServer {
  /** The first of the target's kinds of TLS that the server accepts. */
  readonly tls: ConnectionTarget['tls'][number];
  /** The text of `version()`. */
  readonly version: string;
}

/**
 * Finds out whether the server answers, and with which kind of TLS. Rejects with the last refusal, and at once when
 * the signal aborts.
 *
 * @param configWith makes node-postgres's configuration for a kind of TLS
 */
export async function reachServer(
  { tls: kinds, connectMs }: Pick<ConnectionTarget, 'tls' | 'connectMs'>,
  configWith: (tls: ReachedServer['tls']) => ClientConfig,
  signal: AbortSignal,
): Promise<ReachedServer> {
  let failure: unknown;
  for (const tls of kinds) {
    const client = new Client({ ...configWith(tls), connectionTimeoutMillis: connectMs });
    // After connecting, an error also fails the statement, which reports it.
    client.on('error', () => {});
    const cut = (): void => cutOff(client);
    signal.addEventListener('abort', cut);
    try {
      await client.connect();
      const { rows } = await client.query<{ version: string }>('select version()');
      return { tls, version: rows[0]?.version ?? 'a database that does not tell its version' };
    } catch (error) {
      failure = error;
      // An unreachable server does not become reachable with another kind of TLS.
      if (signal.aborted || isUnreachable(error)) break;
    } finally {
      signal.removeEventListener('abort', cut);
      await client.end().catch(() => {});
    }
  }
  throw failure;
}

/** Destroys the stream, because `end` would wait for the server's answer; node-postgres's types leave the stream out. */
function cutOff(client: Client): void {
  const { connection } = client as unknown as {
    readonly connection: { readonly stream: { destroy(error: Error): void } };
  };
  connection.stream.destroy(new Error('the connection is not needed any more'));
}

/** Whether nothing was reached that could have refused the connection. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DatabaseError) return false;
  return 'syscall' in error || error.message === 'timeout expired';
}
