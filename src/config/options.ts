/** An option of the environment. `parseConfig` and the table of docs/configuration.md are both made from these. */
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

/** The name of an option. */
export type OptionName = (typeof configOptions)[number]['name'];

/** Former names of options. A process that still sets one would silently get the default, so it is reported. */
export const formerNames: Readonly<Record<string, OptionName>> = { REST_CORS_ORIGINS: 'CORS_ORIGINS' };
