import path from 'node:path';
import { tlsModes, TlsRefused } from '../db/tls-parameters.ts';
import type { TlsChoice, TlsMode } from '../db/tls-parameters.ts';
import { tlsOf } from '../db/tls.ts';
import type { PoolConfig, ServerConfig } from './config.ts';
import type { OptionValues } from './option-values.ts';
import { Secret } from './secret.ts';

/** Reads the URLs of a server's logins. Null: none is set, and the database is embedded. */
export function serverConfig(values: OptionValues): ServerConfig | null {
  const url = values.databaseUrl('DATABASE_URL') ?? urlFromParts(values);
  const logins = {
    listenUrl: values.databaseUrl('LISTEN_DATABASE_URL'),
    migrateUrl: values.databaseUrl('MIGRATE_DATABASE_URL'),
    workerUrl: values.databaseUrl('WORKER_DATABASE_URL'),
    backupUrl: values.databaseUrl('BACKUP_DATABASE_URL'),
  };
  const pooler = values.choice('DB_POOLER', ['auto', 'transaction', 'session', 'off']) ?? 'auto';
  const tls = tlsChoice(values);
  const isServer = url !== null || Object.values(logins).some((login) => login !== null);
  if (!isServer) return null;
  const { listenUrl, migrateUrl, workerUrl, backupUrl } = logins;
  refuseTls(values, tls, {
    DATABASE_URL: url,
    LISTEN_DATABASE_URL: listenUrl,
    MIGRATE_DATABASE_URL: migrateUrl,
    WORKER_DATABASE_URL: workerUrl,
    BACKUP_DATABASE_URL: backupUrl,
  });
  return { url, pooler, ...logins, tls };
}

const formerModes = { verify: 'verify-full', 'no-verify': 'require', off: 'disable' } as const;

/** Reads the TLS of connections to a server whose URLs say nothing themselves. */
export function tlsChoice(values: OptionValues): TlsChoice {
  const formerNames = Object.keys(formerModes) as (keyof typeof formerModes)[];
  const chosen = values.choice('DB_SSL', [...tlsModes, ...formerNames]);
  const mode: TlsMode | null =
    chosen === undefined
      ? null
      : chosen in formerModes
        ? formerModes[chosen as keyof typeof formerModes]
        : (chosen as TlsMode);
  const file = (name: 'DB_SSL_ROOT_CERT' | 'DB_SSL_CERT' | 'DB_SSL_KEY'): string | null => {
    const value = values.text(name);
    // `system` is libpq's word for the authorities that the system brings.
    return value === '' ? null : value === 'system' ? value : path.resolve(value);
  };
  return {
    mode,
    rootCertificate: file('DB_SSL_ROOT_CERT'),
    certificate: file('DB_SSL_CERT'),
    key: file('DB_SSL_KEY'),
  };
}

/** Adds a problem for each URL whose TLS cannot be had: an unknown mode, or files that cannot be used. */
function refuseTls(
  values: OptionValues,
  choice: TlsChoice,
  urls: Readonly<Record<string, Secret | null>>,
): void {
  for (const [name, url] of Object.entries(urls)) {
    if (url === null) continue;
    try {
      tlsOf(choice, url.reveal());
    } catch (error) {
      if (!(error instanceof TlsRefused)) throw error;
      values.problems.push(
        `${name} (with DB_SSL, DB_SSL_ROOT_CERT, DB_SSL_CERT, DB_SSL_KEY): ${error.message}`,
      );
    }
  }
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
    tenantPercent: values.integer('DB_POOL_TENANT_PERCENT', 1, 100),
    recycleSeconds: values.integer('DB_POOL_RECYCLE_SECONDS', 1, 86_400),
    connectMs: values.integer('DB_CONNECT_MS', 1, 3_600_000),
    startWaitMs: values.integer('DB_START_WAIT_MS', 0, 86_400_000),
    statementTimeoutMs: values.integer('DB_STATEMENT_TIMEOUT_MS', 0, 86_400_000),
    silenceMs: values.integer('DB_SILENCE_MS', 100, 3_600_000),
    echoMs: values.integer('DB_ECHO_MS', 100, 3_600_000),
    applicationName: values.text('DB_APPLICATION_NAME'),
  };
}
