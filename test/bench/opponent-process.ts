import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The options that the parent passes to an opponent. */
export interface OpponentEnvironment {
  readonly databaseUrl: string;
  readonly poolSize: number;
}

/** Reads `DATABASE_URL` and `DB_POOL_SIZE`, named as this project's own server names them. */
export function opponentEnvironment(): OpponentEnvironment {
  const { DATABASE_URL: databaseUrl, DB_POOL_SIZE: poolSize } = process.env;
  if (!databaseUrl || !poolSize) throw new Error('DATABASE_URL and DB_POOL_SIZE are needed');
  return { databaseUrl, poolSize: Number(poolSize) };
}

/** Listens on a free port of 127.0.0.1, prints the URL for the parent, and ends in order on SIGTERM. */
export function listenAndAnnounce(server: Server, close: () => Promise<void>): void {
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  });
  process.once('SIGTERM', () => {
    server.close(() => void close());
    server.closeAllConnections();
  });
}
