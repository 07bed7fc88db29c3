import type { ClientConfig } from 'pg';
import { ConfigError } from './config/parse-config.ts';
import { boundedClient, connectionLimits, linkOf } from './db/pool.ts';
import type { Link } from './db/pooler.ts';
import type { Connections } from './open-database.ts';

/** The parts that need a session of the server for as long as they work, with the reasons. */
const needs = {
  migrations: {
    variable: 'MIGRATE_DATABASE_URL',
    reason: 'migrations become the owner of the database and hold a lock until all of them are done',
  },
  imports: {
    variable: 'MIGRATE_DATABASE_URL',
    reason: 'an import keeps a transaction open for each file, and a pooler has few sessions to lend',
  },
  worker: {
    variable: 'WORKER_DATABASE_URL',
    reason: 'the worker takes its role when it connects, and listens for jobs',
  },
} as const;

export type SessionNeed = keyof typeof needs;

/** Throws ConfigError when the URL for this need leads to a pooler. Accepts a server that does not answer. */
export async function requireOwnSession(
  { migrate, worker, pooler, tls }: Connections,
  need: SessionNeed,
): Promise<void> {
  const url = need === 'worker' ? worker : migrate;
  if (pooler === 'off' || url === null) return;
  const link = await whereItLeads(url, tls(url));
  if (link !== null && link !== 'session') throw new ConfigError([poolerSentence(need)]);
}

/** The message about a URL that leads to a pooler and must not. */
export function poolerSentence(need: SessionNeed): string {
  const { variable, reason } = needs[need];
  return `${variable} leads to a connection pooler, and ${reason}: set it to the address of the server itself (docs/poolers.md)`;
}

/** Makes a connection and asks it where it leads. Null: no connection could be made, or it does not answer. */
export async function whereItLeads(connectionString: string, ssl: ClientConfig['ssl']): Promise<Link | null> {
  const config = {
    connectionString,
    ...(ssl === undefined ? {} : { ssl }),
    application_name: 'agent_lightning',
  };
  const limits = connectionLimits('server', {
    connectionString,
    connectMs: 10_000,
    statementTimeoutMs: 1_000,
  });
  const client = boundedClient(config, limits);
  // An error after the connection was made fails the question as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return await linkOf(client, { pooler: 'auto' }, {});
  } catch {
    return null;
  } finally {
    await client.end().catch(() => {});
  }
}
