// oxlint-disable max-lines -- one table, which is read from top to bottom
/** An option of the environment. `parseConfig` and the table of docs/configuration.md are both made from these. */
export interface ConfigOption {
  readonly name: string;
  readonly fallback: string;
  readonly meaning: string;
  /** A secret may also come from the file that `<name>_FILE` names, and is never printed. */
  readonly secret?: true;
  /**
   * What SIGHUP does. `live`: a new value takes effect. `file`: the option names a file, or is read from one, that is followed without a
   * signal. Left out: a new value takes effect when the process is started again.
   */
  readonly reload?: 'live' | 'file';
}

/** Every option, in the order of the table of docs/configuration.md. */
export const configOptions = [
  {
    name: 'DATABASE_URL',
    fallback: '',
    secret: true,
    meaning: "the API's login on a server; without it, DB_HOST and the other URLs the database is embedded",
  },
  { name: 'DB_HOST', fallback: '', meaning: 'host of the server, when DATABASE_URL is not set' },
  { name: 'DB_PORT', fallback: '5432', meaning: 'port of the server' },
  { name: 'DB_NAME', fallback: 'agent_lightning', meaning: 'name of the database' },
  { name: 'DB_USER', fallback: 'agent_user', meaning: "the API's login" },
  { name: 'DB_PASSWORD', fallback: '', secret: true, meaning: 'password of that login' },
  {
    name: 'DB_SSL',
    fallback: '',
    meaning:
      '`disable`, `prefer`, `require`, `verify-ca` or `verify-full`; by default `verify-full`, and `disable` for a server on this machine',
  },
  {
    name: 'DB_SSL_ROOT_CERT',
    reload: 'file',
    fallback: '',
    meaning: "file of the authorities that sign the server's certificate; by default those that Node brings",
  },
  {
    name: 'DB_SSL_CERT',
    reload: 'file',
    fallback: '',
    meaning: "file of the logins' own certificate, for a server that asks for one",
  },
  { name: 'DB_SSL_KEY', reload: 'file', fallback: '', meaning: 'file of the key of that certificate' },
  {
    name: 'DB_POOLER',
    fallback: 'auto',
    meaning:
      'what DATABASE_URL leads to: `auto` finds out, `transaction`, `session` or `off` (docs/poolers.md)',
  },
  {
    name: 'LISTEN_DATABASE_URL',
    fallback: '',
    secret: true,
    meaning: "the API's login past the pooler, for LISTEN; by default DATABASE_URL",
  },
  {
    name: 'MIGRATE_DATABASE_URL',
    fallback: '',
    secret: true,
    meaning: 'the login that migrates, and manages tenants and logins',
  },
  { name: 'WORKER_DATABASE_URL', fallback: '', secret: true, meaning: "the worker's login" },
  { name: 'BACKUP_DATABASE_URL', fallback: '', secret: true, meaning: 'the login that makes backups' },
  {
    name: 'DB_ROLE_PREFIX',
    fallback: 'lightning',
    meaning: 'prefix of the role names; two installations on one server need two',
  },
  { name: 'DB_POOL_SIZE', fallback: '20', meaning: 'connections kept open' },
  { name: 'DB_POOL_OVERFLOW', fallback: '40', meaning: 'further connections opened under load' },
  { name: 'DB_POOL_WAIT_MS', fallback: '30000', meaning: 'longest wait of a request for a connection' },
  {
    name: 'DB_POOL_TENANT_PERCENT',
    fallback: '75',
    meaning: 'share of these connections that the requests of one tenant use at once (docs/limits.md)',
  },
  { name: 'DB_POOL_RECYCLE_SECONDS', fallback: '3600', meaning: 'age at which a connection is replaced' },
  { name: 'DB_CONNECT_MS', fallback: '10000', meaning: 'longest time to make a connection' },
  {
    name: 'DB_START_WAIT_MS',
    fallback: '60000',
    meaning: 'how long `start`, `serve`, `work` and `migrate` wait for a server that is away at their start',
  },
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
  {
    name: 'DEPLOYMENT',
    fallback: '',
    meaning:
      '`production` or `development`; by default `production` on a server or with NODE_ENV=production, otherwise `development`',
  },
  { name: 'DATA_DIR', fallback: 'data', meaning: 'directory of the embedded database' },
  {
    name: 'USE_DATABASE',
    fallback: 'true',
    meaning: '`false` keeps everything in memory, and loses it at the end',
  },
  {
    name: 'JWT_SECRET',
    reload: 'file',
    fallback: '',
    secret: true,
    meaning:
      'secret of the tokens, 32 bytes or more, or a JSON Web Key, or a set of them; an embedded database keeps a secret of its own',
  },
  {
    name: 'JWT_KEYS_URL',
    fallback: '',
    meaning: 'address of a set of public keys (JWKS) whose tokens are taken, too',
  },
  { name: 'JWT_KEYS_SECONDS', fallback: '300', meaning: 'how often that set is read' },
  { name: 'JWT_ISSUER', fallback: '', meaning: 'the `iss` that a token must have; by default any' },
  { name: 'JWT_AUDIENCE', fallback: '', meaning: 'the `aud` that a token must have; by default any' },
  {
    name: 'JWT_MAX_LIFETIME_SECONDS',
    fallback: '',
    meaning:
      'longest lifetime of a token, which then needs an `exp`; 0 for no limit; by default 86400 in production, otherwise 0',
  },
  {
    name: 'JWT_CLOCK_SKEW_SECONDS',
    fallback: '5',
    meaning: "how far the clock of a token's issuer may differ",
  },
  { name: 'HOST', fallback: '127.0.0.1', meaning: 'address that the API listens on' },
  {
    name: 'ALLOW_PLAIN_HTTP',
    fallback: 'false',
    meaning: '`true` lets production listen in plain HTTP beyond this machine, as behind a proxy with TLS',
  },
  { name: 'PORT', fallback: '3000', meaning: 'port that the API listens on; 0 takes a free one' },
  {
    name: 'TLS_CERT',
    reload: 'file',
    fallback: '',
    meaning: 'file of a certificate; with it and TLS_KEY the API speaks HTTPS (docs/doors.md)',
  },
  { name: 'TLS_KEY', reload: 'file', fallback: '', meaning: 'file of the key of that certificate' },
  {
    name: 'PUBLIC_URL',
    fallback: '',
    meaning:
      'address that clients see, when a proxy removes a part of its path, e.g. `https://example.com/lightning`',
  },
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
  {
    name: 'REST_MAX_ROWS',
    reload: 'live',
    fallback: '1000',
    meaning: 'most rows that REST returns at once, on every level',
  },
  {
    name: 'ANONYMOUS_INTROSPECTION',
    fallback: '',
    meaning:
      '`true` shows the schema to requests without a token: GraphiQL, introspection, OpenAPI; by default `false` in production, otherwise `true`',
  },
  {
    name: 'TRUSTED_PROXIES',
    reload: 'live',
    fallback: '',
    meaning:
      'addresses and networks of the proxies whose X-Forwarded-For counts, e.g. `10.0.0.0/8` (docs/limits.md)',
  },
  {
    name: 'RATE_PER_ADDRESS',
    reload: 'live',
    fallback: '5000',
    meaning: 'most requests a second from one address; 0 for any number',
  },
  { name: 'RATE_PER_TENANT', reload: 'live', fallback: '5000', meaning: 'the same of one tenant' },
  {
    name: 'RATE_PER_SUBJECT',
    reload: 'live',
    fallback: '3000',
    meaning: 'the same of one subject of a tenant',
  },
  {
    name: 'MAX_REQUESTS_PER_TENANT',
    reload: 'live',
    fallback: '1000',
    meaning: 'most requests of one tenant in progress; 0 for any number',
  },
  {
    name: 'MAX_REQUESTS_PER_SUBJECT',
    reload: 'live',
    fallback: '500',
    meaning: 'the same of one subject of a tenant',
  },
  {
    name: 'MAX_STREAMS_PER_TENANT',
    reload: 'live',
    fallback: '2000',
    meaning: 'most streams of events and WebSockets of one tenant; 0 for any number',
  },
  {
    name: 'MAX_SUBSCRIPTIONS_PER_TENANT',
    reload: 'live',
    fallback: '10000',
    meaning: 'most subscriptions of one tenant; 0 for any number',
  },
  {
    name: 'MAX_CONNECTIONS_PER_ADDRESS',
    reload: 'live',
    fallback: '2000',
    meaning: 'most connections from one address; 0 for any number',
  },
  {
    name: 'CORS_ORIGINS',
    reload: 'live',
    fallback: '',
    meaning: 'origins whose pages may use the API, separated by commas; by default any (docs/doors.md)',
  },
  {
    name: 'LOG_LEVEL',
    reload: 'live',
    fallback: 'info',
    meaning:
      'the least level that `start`, `serve` and `work` log: `debug`, `info`, `warning` or `error` (docs/logs.md)',
  },
  {
    name: 'LOG_FORMAT',
    reload: 'live',
    fallback: 'auto',
    meaning: '`json` for collectors, `text` for people; `auto` is text on a terminal, otherwise JSON',
  },
  {
    name: 'SLOW_REQUEST_MS',
    reload: 'live',
    fallback: '1000',
    meaning: 'a request that takes so long is logged as a warning',
  },
  { name: 'METRICS_HOST', fallback: '127.0.0.1', meaning: 'address that `/metrics` listens on' },
  {
    name: 'METRICS_PORT',
    fallback: '',
    meaning:
      'port of `/metrics` (docs/monitoring.md); 0 takes a free one, `off` for none; by default 9464, and 9465 for `work`',
  },
  {
    name: 'REST_LOG_STATEMENTS',
    reload: 'live',
    fallback: 'false',
    meaning: '`true` writes the statements of REST to the log',
  },
  {
    name: 'REST_PLANS',
    reload: 'live',
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
  {
    name: 'EMBEDDINGS_API_KEY',
    fallback: '',
    secret: true,
    meaning: 'key of the endpoint, sent as bearer token',
  },
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
  { name: 'AWS_SECRET_ACCESS_KEY', fallback: '', secret: true, meaning: 'secret of that key' },
  {
    name: 'AWS_SESSION_TOKEN',
    fallback: '',
    secret: true,
    meaning: 'token of that key, when it is a temporary one',
  },
  {
    name: 'BACKUP_ENCRYPTION_KEY',
    fallback: '',
    secret: true,
    meaning:
      'key that encrypts backups, 32 bytes in hex or base64; without the key they cannot be restored. `none` leaves it out, which an object storage needs to be told',
  },
  {
    name: 'BACKUP_SIGNING_KEY',
    fallback: '',
    secret: true,
    meaning: 'private Ed25519 key that signs backups and WAL, as PEM or its base64 on one line',
  },
  {
    name: 'BACKUP_PUBLIC_KEY',
    fallback: '',
    meaning:
      'public keys whose signatures are trusted, with commas between; that of BACKUP_SIGNING_KEY always is',
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
    reload: 'live',
    fallback: '',
    secret: true,
    meaning: 'URL that alerts are posted to as JSON (docs/worker.md)',
  },
  {
    name: 'AUDIT_ANCHOR_FILE',
    reload: 'live',
    fallback: '',
    meaning: 'file to which the worker appends the head of the sealed audit log (docs/audit.md)',
  },
  {
    name: 'AUDIT_ANCHOR_URL',
    reload: 'live',
    fallback: '',
    secret: true,
    meaning: 'URL that the head of the sealed audit log is posted to as JSON (docs/audit.md)',
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
  {
    name: 'DRAIN_MS',
    fallback: '7000',
    meaning:
      'how long after SIGTERM the API still serves while `/readyz` says no; at most half of SHUTDOWN_MS (docs/restarts.md)',
  },
] as const satisfies readonly ConfigOption[];

/** The name of an option. */
export type OptionName = (typeof configOptions)[number]['name'];

/** The name of an option whose value is a secret. */
export type SecretName = Extract<(typeof configOptions)[number], { readonly secret: true }>['name'];

/** The names of the options whose values are secrets. */
export const secretNames: readonly SecretName[] = configOptions.flatMap((option) =>
  'secret' in option ? [option.name] : [],
);

/** The variable that names the file of a secret. */
export function fileVariable(name: string): string {
  return `${name}_FILE`;
}

/** Former names of options. A process that still sets one would silently get the default, so it is reported. */
export const formerNames: Readonly<Record<string, OptionName>> = { REST_CORS_ORIGINS: 'CORS_ORIGINS' };

/** What SIGHUP does with an option; see `ConfigOption.reload`. */
export function reloadOf(name: OptionName): 'live' | 'file' | 'restart' {
  const option: ConfigOption | undefined = configOptions.find((each) => each.name === name);
  return option?.reload ?? 'restart';
}
