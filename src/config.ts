import { tmpdir } from 'node:os';
import { inspect } from 'node:util';
import path from 'node:path';
import type { TlsChoice } from './db/connection-url.ts';
import type { PoolerMode } from './db/pooler.ts';
import { maxTokens, requestBudgets } from './request-budget.ts';
import type { PageSizes, RequestBudgets } from './request-budget.ts';

/** What can be configured of the dialect where it serves this project's own schema. */
export interface RestConfig {
  /** Of any read, on every level. */
  readonly maxRows: number;
  readonly logStatements: boolean;
  /** Whether `application/vnd.pgrst.plan` is answered: plans tell a tenant how many rows others have. */
  readonly plans: boolean;
}

/** The environment, parsed. Frozen; made once by `parseConfig`. */
export interface Config {
  /** Where the embedded database, its socket and its secret live. */
  readonly dataDirectory: string;
  /** False: an embedded database in memory, the way back that loses everything at the end. */
  readonly useDatabase: boolean;
  /** Null: the embedded database. */
  readonly server: ServerConfig | null;
  readonly pool: PoolConfig;
  readonly rolePrefix: string;
  /** Null: the embedded start keeps one in the data directory. */
  readonly jwtSecret: Secret | null;
  readonly http: HttpConfig;
  readonly rest: RestConfig;
  /** Null: nothing is embedded. */
  readonly embeddings: EmbeddingsConfig | null;
  /** Where alerts are sent; a secret, because whoever knows it can send some. Null: nowhere. */
  readonly alertWebhook: Secret | null;
  readonly backup: BackupConfig;
}

/** Where backups are kept. */
export interface BackupConfig {
  /** Null: nowhere; a server's backups have no default. */
  readonly store: BackupLocation | null;
  /** 32 bytes in hex or base64. Null: backups are not encrypted. */
  readonly encryptionKey: Secret | null;
  /** Where a server's WAL waits until it is in the store; absolute. */
  readonly spoolDirectory: string;
  /** Whether a server that waits for it hears of every write at once. */
  readonly synchronousWal: boolean;
  /** Every moment of so many days stays reachable. */
  readonly retentionDays: number;
  /** Where drills make their copies; absolute. */
  readonly drillDirectory: string;
  /** Of Postgres's programs. Null: `PATH` and the usual places. */
  readonly binDirectory: string | null;
  /** What those programs are looked for by, and run with. */
  readonly programEnvironment: { readonly PATH?: string; readonly HOME?: string };
}

/** A directory (absolute), or a bucket of object storage. */
export type BackupLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      /** Empty, or ends with a slash. */
      readonly prefix: string;
      /** Null: that of AWS. */
      readonly endpoint: string | null;
      readonly region: string;
      /** Null: found as AWS' tools find them (profile, role of the machine). */
      readonly credentials: S3Credentials | null;
    };

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret | null;
}

/** An endpoint that speaks OpenAI's embeddings API. */
export interface EmbeddingsConfig {
  /** Without `/embeddings` and without a slash at the end. */
  readonly url: string;
  readonly model: string;
  readonly apiKey: Secret | null;
}

/** The four identities on a server, and how they get there. Absent ones are null: a process needs only its own. */
export interface ServerConfig {
  /** The API's login: may do nothing but switch to the request roles. */
  readonly url: Secret;
  /** What `url` leads to. */
  readonly pooler: PoolerMode;
  /** The API's login on the server itself, for LISTEN. Null: `url` leads there. */
  readonly listenUrl: Secret | null;
  readonly migrateUrl: Secret | null;
  readonly workerUrl: Secret | null;
  readonly backupUrl: Secret | null;
  /** Null: by each URL's host; see `tlsOf`. */
  readonly ssl: TlsChoice | null;
}

export interface PoolConfig {
  readonly size: number;
  readonly overflow: number;
  readonly waitMs: number;
  readonly recycleSeconds: number;
  readonly connectMs: number;
  readonly statementTimeoutMs: number;
  /** How long the server may be silent beyond that. */
  readonly silenceMs: number;
  /** How often the connection that listens notifies itself. */
  readonly echoMs: number;
  readonly applicationName: string;
}

export interface HttpConfig {
  readonly budgets: RequestBudgets;
  /** Of GraphQL's lists. */
  readonly pages: PageSizes;
  readonly host: string;
  readonly port: number;
  /** Origins whose pages may use the API, as browsers write them. Null: any. */
  readonly corsOrigins: readonly string[] | null;
  /** For all of a process to end. */
  readonly shutdownMs: number;
  /** For a request to arrive, its body included. */
  readonly requestMs: number;
  /** For the next part of an answer to be taken. */
  readonly unreadMs: number;
}

/** A value that logs print as `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for where it is used. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** The environment cannot be used. `problems` has one sentence for each thing that is wrong. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** An option of the environment. The table of docs/configuration.md and `parseConfig` are both made of these. */
export interface ConfigOption {
  readonly name: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** Every option, in the order of the table of docs/configuration.md. */
export const configOptions = [
  {
    name: 'DATABASE_URL',
    fallback: '',
    meaning: "the API's login on a server; without it and without DB_HOST the database is embedded",
  },
  { name: 'DB_HOST', fallback: '', meaning: 'host of the server, when DATABASE_URL is not set' },
  { name: 'DB_PORT', fallback: '5432', meaning: 'port of the server' },
  { name: 'DB_NAME', fallback: 'agent_lightning', meaning: 'name of the database' },
  { name: 'DB_USER', fallback: 'agent_user', meaning: "the API's login" },
  { name: 'DB_PASSWORD', fallback: '', meaning: 'password of that login' },
  {
    name: 'DB_SSL',
    fallback: '',
    meaning: '`verify`, `no-verify` or `off`; by default `verify`, and `off` for a server on this machine',
  },
  {
    name: 'DB_POOLER',
    fallback: 'auto',
    meaning:
      'what DATABASE_URL leads to: `auto` finds out, `transaction`, `session` or `off` (docs/poolers.md)',
  },
  {
    name: 'LISTEN_DATABASE_URL',
    fallback: '',
    meaning: "the API's login past the pooler, for LISTEN; by default DATABASE_URL",
  },
  {
    name: 'MIGRATE_DATABASE_URL',
    fallback: '',
    meaning: 'the login that migrates, and manages tenants and logins',
  },
  { name: 'WORKER_DATABASE_URL', fallback: '', meaning: "the worker's login" },
  { name: 'BACKUP_DATABASE_URL', fallback: '', meaning: 'the login that makes backups' },
  {
    name: 'DB_ROLE_PREFIX',
    fallback: 'lightning',
    meaning: 'prefix of the role names; two installations on one server need two',
  },
  { name: 'DB_POOL_SIZE', fallback: '20', meaning: 'connections kept open' },
  { name: 'DB_POOL_OVERFLOW', fallback: '40', meaning: 'further connections opened under load' },
  { name: 'DB_POOL_WAIT_MS', fallback: '30000', meaning: 'longest wait of a request for a connection' },
  { name: 'DB_POOL_RECYCLE_SECONDS', fallback: '3600', meaning: 'age at which a connection is replaced' },
  { name: 'DB_CONNECT_MS', fallback: '10000', meaning: 'longest time to make a connection' },
  {
    name: 'DB_STATEMENT_TIMEOUT_MS',
    fallback: '30000',
    meaning: 'longest run of a statement of a request; 0 for no limit',
  },
  {
    name: 'DB_SILENCE_MS',
    fallback: '5000',
    meaning:
      'how much longer than that the server may stay silent before a connection is given up (docs/waits.md)',
  },
  {
    name: 'DB_ECHO_MS',
    fallback: '12000',
    meaning:
      'how often the connection that listens for changes notifies itself, to prove that it still hears',
  },
  {
    name: 'DB_APPLICATION_NAME',
    fallback: 'agent_lightning',
    meaning: 'name of the connections in pg_stat_activity',
  },
  { name: 'DATA_DIR', fallback: 'data', meaning: 'directory of the embedded database' },
  {
    name: 'USE_DATABASE',
    fallback: 'true',
    meaning: '`false` keeps everything in memory, and loses it at the end',
  },
  {
    name: 'JWT_SECRET',
    fallback: '',
    meaning: 'HS256 secret of the tokens, 32 bytes or more; an embedded database keeps one of its own',
  },
  { name: 'HOST', fallback: '127.0.0.1', meaning: 'address that the API listens on' },
  { name: 'PORT', fallback: '3000', meaning: 'port that the API listens on; 0 takes a free one' },
  { name: 'MAX_BODY_BYTES', fallback: '10485760', meaning: 'largest body of a request' },
  { name: 'MAX_ANSWER_BYTES', fallback: '33554432', meaning: 'largest answer to a request' },
  {
    name: 'MAX_REQUEST_FIELDS',
    fallback: '1000',
    meaning: 'most columns and conditions that a request may name (docs/limits.md)',
  },
  {
    name: 'GRAPHQL_DEFAULT_FIRST',
    fallback: '100',
    meaning: 'rows of a list that sets neither `first` nor `last`',
  },
  { name: 'GRAPHQL_MAX_FIRST', fallback: '1000', meaning: 'most rows of a list' },
  {
    name: 'GRAPHQL_MAX_VALUES',
    fallback: '100000',
    meaning: 'most values that an answer could have if every list were full',
  },
  { name: 'GRAPHQL_MAX_MUTATIONS', fallback: '20', meaning: 'most mutations of a document' },
  {
    name: 'ANONYMOUS_BUDGET_PERCENT',
    fallback: '25',
    meaning: 'share of these limits that a request without a token gets',
  },
  { name: 'REST_MAX_ROWS', fallback: '1000', meaning: 'most rows that REST returns at once, on every level' },
  {
    name: 'CORS_ORIGINS',
    fallback: '',
    meaning: 'origins whose pages may use the API, separated by commas; by default any (docs/doors.md)',
  },
  {
    name: 'REST_LOG_STATEMENTS',
    fallback: 'false',
    meaning: '`true` writes the statements of REST to the log',
  },
  {
    name: 'REST_PLANS',
    fallback: 'false',
    meaning: '`true` lets REST show query plans, which tell a tenant how many rows others have',
  },
  {
    name: 'EMBEDDINGS_URL',
    fallback: '',
    meaning:
      "an endpoint of OpenAI's embeddings API, e.g. `https://api.openai.com/v1`; without it nothing is embedded",
  },
  {
    name: 'EMBEDDINGS_MODEL',
    fallback: 'text-embedding-3-small',
    meaning: 'a model of 1536 dimensions',
  },
  { name: 'EMBEDDINGS_API_KEY', fallback: '', meaning: 'key of the endpoint, sent as bearer token' },
  {
    name: 'BACKUP_STORE',
    fallback: '',
    meaning:
      'a directory or `s3://bucket/prefix` for backups; by default `backups` beside an embedded database',
  },
  {
    name: 'BACKUP_S3_ENDPOINT',
    fallback: '',
    meaning: 'address of the object storage, e.g. `https://minio.example:9000`; by default that of AWS',
  },
  { name: 'BACKUP_S3_REGION', fallback: 'us-east-1', meaning: 'region of the bucket' },
  {
    name: 'AWS_ACCESS_KEY_ID',
    fallback: '',
    meaning: 'key that writes to the bucket; without it AWS finds one (profile, role of the machine)',
  },
  { name: 'AWS_SECRET_ACCESS_KEY', fallback: '', meaning: 'secret of that key' },
  { name: 'AWS_SESSION_TOKEN', fallback: '', meaning: 'token of that key, when it is a temporary one' },
  {
    name: 'BACKUP_ENCRYPTION_KEY',
    fallback: '',
    meaning: 'key that encrypts backups, 32 bytes in hex or base64; without the key they cannot be restored',
  },
  {
    name: 'BACKUP_SPOOL_DIR',
    fallback: '',
    meaning: 'where the WAL of a server waits until it is in the store; by default `wal-spool` in DATA_DIR',
  },
  {
    name: 'BACKUP_SYNCHRONOUS_WAL',
    fallback: 'false',
    meaning: '`true` confirms every write at once, for a server that waits for it (docs/backup.md)',
  },
  { name: 'BACKUP_RETENTION_DAYS', fallback: '14', meaning: 'how many days back a restore can go' },
  {
    name: 'BACKUP_DRILL_DIR',
    fallback: '',
    meaning:
      "where drills restore to; it needs room for the database twice; by default the system's temporary directory",
  },
  {
    name: 'BACKUP_BIN_DIR',
    fallback: '',
    meaning: "directory of Postgres's programs; by default `PATH` and the usual places",
  },
  {
    name: 'ALERT_WEBHOOK_URL',
    fallback: '',
    meaning: 'URL that alerts are posted to as JSON (docs/worker.md)',
  },
  {
    name: 'HTTP_REQUEST_MS',
    fallback: '60000',
    meaning: 'longest time for a request to arrive, its body included',
  },
  {
    name: 'HTTP_UNREAD_MS',
    fallback: '30000',
    meaning: 'how long a client may leave an answer unread before it is cut off',
  },
  {
    name: 'SHUTDOWN_MS',
    fallback: '25000',
    meaning: 'longest time for requests and jobs to end after SIGTERM',
  },
] as const satisfies readonly ConfigOption[];

type OptionName = (typeof configOptions)[number]['name'];

/** Names that options had before. Whoever still sets one would get the default in its place, in silence. */
export const formerNames: Readonly<Record<string, OptionName>> = { REST_CORS_ORIGINS: 'CORS_ORIGINS' };

/** Parses the environment. Throws one ConfigError that names every problem. An empty value counts as absent. */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  for (const [former, name] of Object.entries(formerNames)) {
    if (env[former])
      problems.push(`${former} is set, which nothing reads any more; it is called ${name} now`);
  }

  const text = (name: OptionName): string => {
    const value = env[name];
    return value === undefined || value === ''
      ? (configOptions.find((o) => o.name === name)?.fallback ?? '')
      : value;
  };
  const integer = (name: OptionName, least: number, most: number): number => {
    const value = text(name);
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) {
      problems.push(`${name} is ${JSON.stringify(value)}; a whole number from ${least} to ${most} is needed`);
    }
    return number;
  };
  const choice = <const T extends string>(name: OptionName, allowed: readonly T[]): T | undefined => {
    const value = text(name);
    const found = allowed.find((a) => a === value);
    if (found === undefined && value !== '') {
      problems.push(`${name} is ${JSON.stringify(value)}; allowed are ${allowed.join(', ')}`);
    }
    return found;
  };
  const url = (name: OptionName): Secret | null => {
    const value = text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.pathname.length < 2) {
      // The value itself may hold a password.
      problems.push(`${name} is not of the form postgres://user:password@host:5432/database`);
    }
    return new Secret(value);
  };

  const httpUrl = (name: OptionName): string | null => {
    const value = text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      problems.push(`${name} is not of the form https://host/path`);
    }
    return value.replace(/\/+$/, '');
  };

  const corsOrigins = (): readonly string[] | null => {
    const value = text('CORS_ORIGINS');
    if (value === '' || value === '*') return null;
    return value.split(',').map((entry) => {
      const given = entry.trim();
      // What browsers send for pages that have none: a file, or a sandboxed frame.
      if (given === 'null') return given;
      const parsed = URL.parse(given);
      if (parsed && /^[^/?#@]*:\/\/[^/?#@]+\/?$/.test(given)) {
        // Of a scheme that URL does not know (capacitor, chrome-extension) it cannot tell the origin.
        return parsed.origin === 'null' ? given.replace(/\/$/, '').toLowerCase() : parsed.origin;
      }
      problems.push(
        `CORS_ORIGINS has ${JSON.stringify(given)}; an origin is written as https://app.example or http://localhost:5173`,
      );
      return given;
    });
  };

  const backupLocation = (fallback: string | null): BackupLocation | null => {
    const value = text('BACKUP_STORE');
    const endpoint = httpUrl('BACKUP_S3_ENDPOINT');
    if (!value.startsWith('s3:')) {
      const directory = value === '' ? fallback : path.resolve(value);
      return directory === null ? null : { kind: 'directory', path: directory };
    }
    const [, bucket = '', prefix = ''] = /^s3:\/\/([a-z0-9.-]{3,63})(?:\/+(.*?))?\/*$/.exec(value) ?? [];
    if (bucket === '' || !/^[A-Za-z0-9._=/-]*$/.test(prefix)) {
      problems.push(`BACKUP_STORE is ${JSON.stringify(value)}; a bucket is named as s3://bucket/prefix`);
    }
    const accessKeyId = text('AWS_ACCESS_KEY_ID');
    const secretAccessKey = text('AWS_SECRET_ACCESS_KEY');
    const sessionToken = text('AWS_SESSION_TOKEN');
    if ((accessKeyId === '') !== (secretAccessKey === '')) {
      problems.push('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together; one of them is missing');
    }
    const credentials = {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      sessionToken: sessionToken === '' ? null : new Secret(sessionToken),
    };
    return {
      kind: 's3',
      bucket,
      prefix: prefix === '' ? '' : `${prefix}/`,
      endpoint,
      region: text('BACKUP_S3_REGION'),
      credentials: accessKeyId === '' ? null : credentials,
    };
  };
  const encryptionKey = (): Secret | null => {
    const value = text('BACKUP_ENCRYPTION_KEY');
    if (value === '') return null;
    if (!/^[0-9a-f]{64}$/i.test(value) && !/^[A-Za-z0-9+/]{43}=$/.test(value)) {
      problems.push('BACKUP_ENCRYPTION_KEY is not 32 bytes in hex or base64: openssl rand -hex 32 makes one');
    }
    return new Secret(value);
  };

  const apiUrl = url('DATABASE_URL') ?? urlFromParts(text);
  const listenUrl = url('LISTEN_DATABASE_URL');
  const migrateUrl = url('MIGRATE_DATABASE_URL');
  const workerUrl = url('WORKER_DATABASE_URL');
  const backupUrl = url('BACKUP_DATABASE_URL');
  const embeddingsUrl = httpUrl('EMBEDDINGS_URL');
  const alertWebhookUrl = httpUrl('ALERT_WEBHOOK_URL');
  const pooler = choice('DB_POOLER', ['auto', 'transaction', 'session', 'off']);
  const sslChoice = choice('DB_SSL', ['verify', 'no-verify', 'off']);

  const rolePrefix = text('DB_ROLE_PREFIX');
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(rolePrefix)) {
    problems.push(
      `DB_ROLE_PREFIX is ${JSON.stringify(rolePrefix)}; lower case letters, digits and _ are allowed`,
    );
  }

  const secret = text('JWT_SECRET');
  if (secret !== '' && Buffer.byteLength(secret) < 32) {
    problems.push(`JWT_SECRET has ${Buffer.byteLength(secret)} bytes; HS256 needs 32 or more`);
  }
  if (secret === '' && apiUrl) {
    problems.push(
      'JWT_SECRET is missing; a server database needs one that all processes share: openssl rand -hex 32',
    );
  }

  const maxBodyBytes = integer('MAX_BODY_BYTES', 1024, 1_073_741_824);
  const pages = {
    byDefault: integer('GRAPHQL_DEFAULT_FIRST', 1, 1_000_000),
    largest: integer('GRAPHQL_MAX_FIRST', 1, 1_000_000),
  };
  if (pages.byDefault > pages.largest) {
    problems.push(
      `GRAPHQL_DEFAULT_FIRST is ${pages.byDefault}, more than GRAPHQL_MAX_FIRST, which is ${pages.largest}`,
    );
  }
  const useDatabase = choice('USE_DATABASE', ['true', 'false']) !== 'false';
  const dataDirectory = path.resolve(text('DATA_DIR'));
  const config: Config = {
    dataDirectory,
    useDatabase,
    server: apiUrl && {
      url: apiUrl,
      pooler: pooler ?? 'auto',
      listenUrl,
      migrateUrl,
      workerUrl,
      backupUrl,
      ssl: sslChoice ?? null,
    },
    pool: {
      size: integer('DB_POOL_SIZE', 1, 1000),
      overflow: integer('DB_POOL_OVERFLOW', 0, 1000),
      waitMs: integer('DB_POOL_WAIT_MS', 1, 3_600_000),
      recycleSeconds: integer('DB_POOL_RECYCLE_SECONDS', 1, 86_400),
      connectMs: integer('DB_CONNECT_MS', 1, 3_600_000),
      statementTimeoutMs: integer('DB_STATEMENT_TIMEOUT_MS', 0, 86_400_000),
      silenceMs: integer('DB_SILENCE_MS', 100, 3_600_000),
      echoMs: integer('DB_ECHO_MS', 100, 3_600_000),
      applicationName: text('DB_APPLICATION_NAME'),
    },
    rolePrefix,
    jwtSecret: secret === '' ? null : new Secret(secret),
    http: {
      host: text('HOST'),
      port: integer('PORT', 0, 65_535),
      pages,
      budgets: requestBudgets(
        {
          fields: integer('MAX_REQUEST_FIELDS', 10, 1_000_000),
          tokens: maxTokens,
          values: integer('GRAPHQL_MAX_VALUES', 10, 100_000_000),
          mutations: integer('GRAPHQL_MAX_MUTATIONS', 1, 10_000),
          bodyBytes: maxBodyBytes,
          answerBytes: integer('MAX_ANSWER_BYTES', 1024, 536_870_912),
        },
        integer('ANONYMOUS_BUDGET_PERCENT', 1, 100),
      ),
      corsOrigins: corsOrigins(),
      shutdownMs: integer('SHUTDOWN_MS', 0, 3_600_000),
      requestMs: integer('HTTP_REQUEST_MS', 100, 3_600_000),
      unreadMs: integer('HTTP_UNREAD_MS', 100, 3_600_000),
    },
    rest: {
      maxRows: integer('REST_MAX_ROWS', 1, 1_000_000),
      logStatements: choice('REST_LOG_STATEMENTS', ['true', 'false']) === 'true',
      plans: choice('REST_PLANS', ['true', 'false']) === 'true',
    },
    embeddings:
      embeddingsUrl === null
        ? null
        : {
            url: embeddingsUrl.replace(/\/embeddings$/, ''),
            model: text('EMBEDDINGS_MODEL'),
            apiKey: text('EMBEDDINGS_API_KEY') === '' ? null : new Secret(text('EMBEDDINGS_API_KEY')),
          },
    alertWebhook: alertWebhookUrl === null ? null : new Secret(text('ALERT_WEBHOOK_URL')),
    backup: {
      store: backupLocation(apiUrl ? null : path.join(path.dirname(dataDirectory), 'backups')),
      encryptionKey: encryptionKey(),
      spoolDirectory: path.resolve(text('BACKUP_SPOOL_DIR') || path.join(dataDirectory, 'wal-spool')),
      synchronousWal: choice('BACKUP_SYNCHRONOUS_WAL', ['true', 'false']) === 'true',
      retentionDays: integer('BACKUP_RETENTION_DAYS', 1, 3_650),
      drillDirectory: path.resolve(text('BACKUP_DRILL_DIR') || tmpdir()),
      binDirectory: text('BACKUP_BIN_DIR') === '' ? null : path.resolve(text('BACKUP_BIN_DIR')),
      programEnvironment: {
        ...(env['PATH'] !== undefined && { PATH: env['PATH'] }),
        ...(env['HOME'] !== undefined && { HOME: env['HOME'] }),
      },
    },
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function urlFromParts(text: (name: OptionName) => string): Secret | null {
  if (text('DB_HOST') === '') return null;
  const url = new URL('postgres://localhost');
  url.hostname = text('DB_HOST');
  url.port = text('DB_PORT');
  url.username = text('DB_USER');
  url.password = text('DB_PASSWORD');
  url.pathname = text('DB_NAME');
  return new Secret(url.href);
}
