import type { PoolConfig, ServerConfig } from './config.ts';
import type { OptionValues } from './option-values.ts';
import { Secret } from './secret.ts';

/** Reads the URLs of a server's logins. Null: the database is embedded. */
export function serverConfig(values: OptionValues): ServerConfig | null {
  const url = values.databaseUrl('DATABASE_URL') ?? urlFromParts(values);
  const logins = {
    listenUrl: values.databaseUrl('LISTEN_DATABASE_URL'),
    migrateUrl: values.databaseUrl('MIGRATE_DATABASE_URL'),
    workerUrl: values.databaseUrl('WORKER_DATABASE_URL'),
    backupUrl: values.databaseUrl('BACKUP_DATABASE_URL'),
  };
  const pooler = values.choice('DB_POOLER', ['auto', 'transaction', 'session', 'off']) ?? 'auto';
  const ssl = values.choice('DB_SSL', ['verify', 'no-verify', 'off']) ?? null;
  return url && { url, pooler, ...logins, ssl };
}

function urlFromParts(values: OptionValues): Secret | null {
  if (values.text('DB_HOST') === '') return null;
  const url = new URL('postgres://localhost');
  url.hostname = values.text('DB_HOST');
  url.port = values.text('DB_PORT');
  url.username = values.text('DB_USER');
  url.password = values.text('DB_PASSWORD');
  url.pathname = values.text('DB_NAME');
  return new Secret(url.href);
}

/** Reads the options of the pool of connections. */
export function poolConfig(values: OptionValues): PoolConfig {
  return {
    size: values.integer('DB_POOL_SIZE', 1, 1000),
    overflow: values.integer('DB_POOL_OVERFLOW', 0, 1000),
    waitMs: values.integer('DB_POOL_WAIT_MS', 1, 3_600_000),
    recycleSeconds: values.integer('DB_POOL_RECYCLE_SECONDS', 1, 86_400),
    connectMs: values.integer('DB_CONNECT_MS', 1, 3_600_000),
    statementTimeoutMs: values.integer('DB_STATEMENT_TIMEOUT_MS', 0, 86_400_000),
    silenceMs: values.integer('DB_SILENCE_MS', 100, 3_600_000),
    echoMs: values.integer('DB_ECHO_MS', 100, 3_600_000),
    applicationName: values.text('DB_APPLICATION_NAME'),
  };
}
