import type { Client, ClientConfig } from 'pg';
import type { ConnectionLimits } from '../../db/bounded-client.ts';
import { boundedClient } from '../../db/pool.ts';
import { OperationalError } from '../../operational-error.ts';
import type { ServerSetting } from '../manifest.ts';

/** The connection of the backup login to the server. */
export interface ServerConnection {
  readonly url: string;
  readonly ssl: ClientConfig['ssl'];
}

/** The facts about a server that a backup depends on. */
export interface ServerFacts {
  /** Decimal. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Such as `17.11`. */
  readonly version: string;
  readonly major: number;
  readonly segmentBytes: number;
  readonly summarizesWal: boolean;
  readonly hasChecksums: boolean;
  /** Tablespaces outside of the data directory, whose files are elsewhere. */
  readonly tablespaces: readonly string[];
  /** Size of all databases, as far as the login may see them. */
  readonly databaseBytes: number;
  /** Settings from the command line, the environment or a file, as far as the login may see them. */
  readonly settings: readonly ServerSetting[];
  /** The time by the server's clock. */
  readonly now: Date;
}

/** The queries over such a connection take moments; the sizes of many databases take the longest. */
const limits: ConnectionLimits = {
  kind: 'server',
  connectMs: 10_000,
  statementTimeoutMs: 60_000,
  silenceMs: 5_000,
};

/** The server cannot be backed up in its present state. The message says why, and what to do. */
export class ServerNotReady extends OperationalError {
  override name = 'ServerNotReady';
}

/**
 * Opens a connection of the replication protocol, which also takes plain SQL, but without parameters. The caller ends
 * it. Rejects with ServerNotReady when the server refuses this login for replication only, or when a pooler answers
 * in its place.
 */
export async function connectForReplication({ url, ssl }: ServerConnection): Promise<Client> {
  // pg supports the option `replication`, but its types lack it.
  const config: ClientConfig & { replication: string } = {
    connectionString: url,
    ...(ssl === undefined ? {} : { ssl }),
    application_name: 'agent_lightning backup',
    replication: 'database',
  };
  const client = boundedClient(config, limits);
  client.on('error', () => {}); // Whatever is asked next fails too, and says why.
  try {
    await client.connect();
    await refusePooler(client);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw replicationRefused(error) ?? error;
  }
}

/** The replication protocol takes simple queries only, so this checks less than `findLink` does. */
async function refusePooler(client: Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const { processID } = client as Client & { readonly processID: number | null };
  if (rows[0]?.pid !== processID) throw leadsToPooler();
}

function leadsToPooler(cause?: Error): ServerNotReady {
  return new ServerNotReady(
    'BACKUP_DATABASE_URL leads to a connection pooler, and backups are taken over the replication protocol: set it to the ' +
      'address of the server itself (docs/poolers.md)',
    { cause },
  );
}

/** Reads the facts over a replication connection. */
export async function serverFacts(client: Client): Promise<ServerFacts> {
  // Commands of the replication protocol must be in capitals; otherwise they are SQL.
  const identified = await client.query<{ systemid: string; timeline: number }>('IDENTIFY_SYSTEM');
  const { rows } = await client.query<{
    version: string;
    number: string;
    segment_bytes: string;
    summarizes: string;
    checksums: string;
    tablespaces: string[] | null;
    bytes: string | null;
    settings: ServerSetting[] | null;
    now: Date;
  }>(`
    select current_setting('server_version') as version, current_setting('server_version_num') as number,
      (select setting from pg_settings where name = 'wal_segment_size') as segment_bytes,
      coalesce(current_setting('summarize_wal', true), 'off') as summarizes, current_setting('data_checksums') as checksums,
      (select array_agg(spcname::text order by spcname) from pg_tablespace
       where spcname not in ('pg_default', 'pg_global')) as tablespaces,
      (select sum(pg_database_size(oid)) from pg_database
       where has_database_privilege(oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage')) as bytes,
      (select json_agg(json_build_object('name', name, 'value', current_setting(name), 'source', source) order by name)
       from pg_settings
       where source in ('command line', 'environment variable', 'configuration file')
         and name not in ('config_file', 'data_directory')) as settings,
      clock_timestamp() as now`);
  const [identity] = identified.rows;
  const [facts] = rows;
  if (!identity || !facts) throw new ServerNotReady('the server does not say which one it is');
  return {
    systemIdentifier: identity.systemid,
    timeline: Number(identity.timeline),
    version: facts.version.split(' ')[0] ?? facts.version,
    major: Math.floor(Number(facts.number) / 10_000),
    segmentBytes: Number(facts.segment_bytes),
    summarizesWal: facts.summarizes === 'on',
    hasChecksums: facts.checksums === 'on',
    tablespaces: facts.tablespaces ?? [],
    databaseBytes: Number(facts.bytes ?? 0),
    settings: facts.settings ?? [],
    now: facts.now,
  };
}

/** Throws ServerNotReady for a server whose backup could not be restored or trusted. */
export function refuseUnfitServer({ major, version, hasChecksums, tablespaces }: ServerFacts): void {
  if (major < 17) {
    throw new ServerNotReady(
      `the server is Postgres ${version}; incremental backups came with 17: upgrade it`,
    );
  }
  if (!hasChecksums) {
    throw new ServerNotReady(
      'the server has no data checksums, so that no backup of it can be proven: stop it, run pg_checksums --enable, start it',
    );
  }
  if (tablespaces.length > 0) {
    throw new ServerNotReady(
      `the server has tablespaces of its own (${tablespaces.join(', ')}), which backups do not carry: move what is in them to pg_default and drop them`,
    );
  }
}

/** The obstacle to a replication connection, with the command that removes it. */
function replicationRefused(error: unknown): ServerNotReady | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  if (/startup parameter/.test(error.message)) return leadsToPooler(error);
  if (error.code === '28000' && /pg_hba\.conf/.test(error.message)) {
    return new ServerNotReady(
      `${error.message}: add a line to pg_hba.conf, such as "host replication <login> <address>/32 scram-sha-256", and reload. ` +
        'A managed service that has no such file offers no physical backups: use what it offers itself, or pg_dump',
      { cause: error },
    );
  }
  if (error.code === '42501') {
    return new ServerNotReady(
      `${error.message}: run lightning setup, which gives the login of backups its right to replication`,
      { cause: error },
    );
  }
  return undefined;
}
