import type { Config } from '../config/config.ts';
import type { Secret } from '../config/secret.ts';
import { clientExecutor } from '../db/client-executor.ts';
import { isAway, reasonOf } from '../db/connection-failure.ts';
import { noTlsChoice } from '../db/tls-parameters.ts';
import { tlsOf } from '../db/tls.ts';
import type { Executor } from '../db/database.ts';
import { refuseUnsafeLogin, UnsafeLogin } from '../db/login-check.ts';
import type { LoginKind } from '../db/login-needs.ts';
import { boundedClient, connectionLimits } from '../db/pool.ts';
import { missingRights, setupCommand } from '../db/server-preparation.ts';
import { sql } from '../db/statement.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/** The logins of a server, each asked over a connection of its own. */
export interface LoginsStatus {
  /** A line for each URL, named by its variable. */
  readonly lines: readonly StatusLine[];
  /** The logins that answered and lack nothing. */
  readonly usable: ReadonlySet<LoginKind>;
}

/** A URL of the configuration, and whose it is. */
interface Asked {
  readonly variable: string;
  readonly kind: LoginKind;
  readonly url: Secret | null;
}

/** Asks every login whose URL is set. A login that is refused, or lacks a right, is a line and not an error. */
export async function loginsStatus(config: Config): Promise<LoginsStatus> {
  const { server } = config;
  if (!server) return { lines: [], usable: new Set() };
  const asked: readonly Asked[] = [
    { variable: 'DATABASE_URL', kind: 'api', url: server.url },
    { variable: 'MIGRATE_DATABASE_URL', kind: 'migrate', url: server.migrateUrl },
    { variable: 'WORKER_DATABASE_URL', kind: 'worker', url: server.workerUrl },
    { variable: 'BACKUP_DATABASE_URL', kind: 'backup', url: server.backupUrl },
    ...(server.listenUrl
      ? [{ variable: 'LISTEN_DATABASE_URL', kind: 'api' as const, url: server.listenUrl }]
      : []),
  ];
  const lines = await Promise.all(asked.map((each) => loginLine(each, config)));
  const usable = asked.flatMap(({ url, variable, kind }, i) =>
    url !== null && variable !== 'LISTEN_DATABASE_URL' && lines[i]?.ok ? [kind] : [],
  );
  return { lines, usable: new Set(usable) };
}

async function loginLine({ variable, kind, url }: Asked, config: Config): Promise<StatusLine> {
  if (url === null) return line(variable, true, 'is not set');
  const connectionString = url.reveal();
  const client = clientOf(connectionString, config);
  // An error after the connection was made fails the next question as well.
  client.on('error', () => {});
  const startedAt = performance.now();
  try {
    await client.connect();
    const executor = clientExecutor(client);
    const { rows } = await executor.query<{ login: string; database: string }>(
      sql`select session_user::text as login, pg_catalog.current_database()::text as database`,
    );
    const elapsedMs = Math.round(performance.now() - startedAt);
    const { login = '', database = '' } = rows[0] ?? {};
    const unsafe = kind === 'api' ? await unsafety(executor, config.rolePrefix) : null;
    if (unsafe !== null) return line(variable, false, unsafe, 'lightning setup makes a plain login');
    const missing = await missingRights(executor, config.rolePrefix, login, kind);
    return missing.length === 0
      ? line(variable, true, `${login}, answered in ${elapsedMs} ms`)
      : line(variable, false, `${login} lacks ${missing.join(', ')}`, setupCommand(database));
  } catch (error) {
    return refusalLine(variable, new URL(connectionString), error);
  } finally {
    await client.end().catch(() => {});
  }
}

function clientOf(connectionString: string, { pool, server }: Config) {
  const ssl = tlsOf(server?.tls ?? noTlsChoice, connectionString);
  return boundedClient(
    {
      connectionString,
      ssl,
      application_name: 'agent_lightning status',
    },
    connectionLimits('server', {
      connectionString,
      connectMs: pool.connectMs,
      statementTimeoutMs: statementMs,
      silenceMs: pool.silenceMs,
    }),
  );
}

/** Longest time for an answer about a login. */
const statementMs = 10_000;

/** The reason why `serve` would refuse the API's login; null: there is none. */
async function unsafety(executor: Executor, rolePrefix: string): Promise<string | null> {
  try {
    await refuseUnsafeLogin({ database: executor, rolePrefix });
    return null;
  } catch (error) {
    if (error instanceof UnsafeLogin) return error.message;
    throw error;
  }
}

/** The line of a login that got no connection, or no answer. */
function refusalLine(
  variable: string,
  { username, hostname, port, pathname }: URL,
  error: unknown,
): StatusLine {
  const login = decodeURIComponent(username);
  const database = decodeURIComponent(pathname.slice(1));
  const reason = reasonOf(error);
  if (isAway(error)) {
    return line(
      variable,
      false,
      `the server does not answer at ${hostname}:${port || '5432'} (${reason})`,
      `start the server, or correct the address in ${variable}`,
    );
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case '28P01':
      return line(
        variable,
        false,
        reason,
        `set ${variable} to the password of ${login}; if nobody knows it: alter role ${login} password '...' as an administrator`,
      );
    case '3D000':
    case '42501':
      return line(variable, false, reason, setupCommand(database));
    default:
      return line(variable, false, reason, `correct ${variable}, or the server's pg_hba.conf`);
  }
}
