import { Client, DatabaseError } from 'pg';
import type { ClientConfig } from 'pg';
import type { ConnectionTarget } from './connection-target.ts';

/** A server that answered. */
export interface ReachedServer {
  /** The first kind of TLS of the target that it takes. */
  readonly tls: ConnectionTarget['tls'][number];
  /** As `version()` says it. */
  readonly version: string;
}

/**
 * Finds out whether the server answers, and with which kind of TLS. Rejects with the last refusal; at once when the
 * signal aborts.
 *
 * @param configWith node-postgres' configuration for a kind of TLS
 */
export async function reachServer(
  { tls: kinds, connectMs }: Pick<ConnectionTarget, 'tls' | 'connectMs'>,
  configWith: (tls: ReachedServer['tls']) => ClientConfig,
  signal: AbortSignal,
): Promise<ReachedServer> {
  let failure: unknown;
  for (const tls of kinds) {
    const client = new Client({ ...configWith(tls), connectionTimeoutMillis: connectMs });
    // An error once it is connected fails the statement, too.
    client.on('error', () => {});
    const cut = (): void => cutOff(client);
    signal.addEventListener('abort', cut);
    try {
      await client.connect();
      const { rows } = await client.query<{ version: string }>('select version()');
      return { tls, version: rows[0]?.version ?? 'a database that does not say which' };
    } catch (error) {
      failure = error;
      // Another kind of TLS does not make it answer.
      if (signal.aborted || isUnreachable(error)) break;
    } finally {
      signal.removeEventListener('abort', cut);
      await client.end().catch(() => {});
    }
  }
  throw failure;
}

/** `end` waits for an answer of the server; node-postgres' types leave the stream out. */
function cutOff(client: Client): void {
  const { connection } = client as unknown as {
    readonly connection: { readonly stream: { destroy(error: Error): void } };
  };
  connection.stream.destroy(new Error('the connection is not needed any more'));
}

/** Nobody was there to refuse anything. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DatabaseError) return false;
  return 'syscall' in error || error.message === 'timeout expired';
}
