import { decodeBase64Secret, JwtSecretError, parseJwtSecret, postgrestKeys } from '../auth/jwt-keys.ts';
import type { IdentificationOptions } from './auth/identify-requester.ts';
import { parseRoleClaim, RoleClaimError } from './auth/role-claim.ts';
import type { RoleClaim } from './auth/role-claim.ts';
import { ConfigError } from '../config/parse-config.ts';
import { Secret } from '../config/secret.ts';
import type { RestOptions } from '../rest/options.ts';
import type { QualifiedName } from '../schema-cache/identifier.ts';
import type { ListenAddress } from './listen-address.ts';
import { OptionReader, unknownNames } from './option-reader.ts';
import type { OptionSources } from './option-reader.ts';

/** PostgREST's configuration, parsed. Frozen; `reload config` makes a new one. */
export interface PostgrestConfig {
  readonly rest: RestOptions;
  readonly identification: IdentificationOptions;
  /**
   * The secret as given, or as its file holds it; if it is base64, in plain base64. Null: none. `identification` has
   * its keys.
   */
  readonly jwtSecret: Secret | null;
  readonly jwtSecretIsBase64: boolean;
  readonly database: PostgrestDatabaseConfig;
  /** Null: every origin is allowed. */
  readonly corsAllowedOrigins: readonly string[] | null;
  readonly server: ListenAddress;
  /** The admin server runs only with a port or a socket. */
  readonly admin: ListenAddress;
  readonly logLevel: 'crit' | 'error' | 'warn' | 'info' | 'debug';
  readonly logQuery: boolean;
  /** One sentence for each oddity that does not prevent the start. */
  readonly warnings: readonly string[];
}

export interface PostgrestDatabaseConfig {
  /** In libpq's form; see connection-string.ts. */
  readonly uri: Secret;
  readonly poolSize: number;
  readonly poolWaitSeconds: number;
  readonly poolMaxLifetimeSeconds: number;
  readonly poolMaxIdleSeconds: number;
  readonly automaticRecovery: boolean;
  /** The channel whose notifications trigger reloads. */
  readonly channel: string;
  readonly channelEnabled: boolean;
  /** Whether the login's `pgrst.*` settings and the settings of roles take effect. */
  readonly configInDatabase: boolean;
  readonly preConfig: QualifiedName | null;
}

/** The sources of the configuration. */
export interface PostgrestConfigSources extends OptionSources {
  /** Reads the file of a value that begins with `@`; a secret may be any bytes. Throws what the file system throws. */
  readonly readFile: (file: string) => Buffer;
}

/**
 * Most bytes of a body. PostgREST has no limit. Here a body is a single string on its way to Postgres, and JavaScript's
 * strings end at half a gigabyte. MAX_BODY_BYTES changes the limit.
 */
const defaultMaxBodyBytes = 256 * 1024 * 1024;

/**
 * Parses PostgREST's configuration (as its page of that name has it, at version 16). Throws a single ConfigError that
 * names every problem. The database's settings override the environment's, and those override the file's.
 */
export function parsePostgrestConfig(sources: PostgrestConfigSources): PostgrestConfig {
  const options = new OptionReader(sources);
  options.warnings.push(...unknownNames(sources));
  const secret = readSecret(options, sources);
  const jwtSecretIsBase64 = options.boolean('jwt-secret-is-base64');
  const server = readServer(options);
  const origins = options.list('server-cors-allowed-origins');
  const config: PostgrestConfig = {
    rest: readRest(options, sources, server),
    identification: {
      keys: secret && readKeys(options, secret),
      audience: readAudience(options),
      roleClaim: readRoleClaim(options),
      anonymousRole: options.text('db-anon-role'),
      cacheMaxEntries: Math.max(
        0,
        options.number('jwt-cache-max-entries', -1_000_000_000, 1_000_000_000) ?? 0,
      ),
    },
    jwtSecret: secret && new Secret(secret.toString(jwtSecretIsBase64 ? 'base64' : 'utf8')),
    jwtSecretIsBase64,
    database: {
      uri: readDatabaseUri(options, sources),
      poolSize: options.number('db-pool', 1, 10_000) ?? 10,
      poolWaitSeconds: options.number('db-pool-acquisition-timeout', 1, 86_400) ?? 10,
      poolMaxLifetimeSeconds: options.number('db-pool-max-lifetime', 1, 31_536_000) ?? 1800,
      poolMaxIdleSeconds: options.number('db-pool-max-idletime', 1, 2_000_000) ?? 30,
      automaticRecovery: options.boolean('db-pool-automatic-recovery'),
      channel: options.text('db-channel') ?? 'pgrst',
      channelEnabled: options.boolean('db-channel-enabled'),
      configInDatabase: options.boolean('db-config'),
      preConfig: qualified(options.text('db-pre-config')),
    },
    corsAllowedOrigins: origins.length === 0 ? null : origins,
    server,
    admin: readAdmin(options, server),
    logLevel: options.choice('log-level', ['error', 'crit', 'warn', 'info', 'debug']),
    logQuery: options.boolean('log-query'),
    warnings: options.warnings,
  };
  if (options.problems.length > 0) throw new ConfigError(options.problems);
  return Object.freeze(config);
}

function readRest(
  options: OptionReader,
  sources: PostgrestConfigSources,
  server: ListenAddress,
): RestOptions {
  const schemas = options.list('db-schemas');
  for (const schema of ['pg_catalog', 'information_schema']) {
    if (schemas.includes(schema)) options.problem('db-schemas', `names ${schema}, which cannot be exposed`);
  }
  if (schemas.includes(''))
    options.problem('db-schemas', 'names a schema without a name: two commas in a row?');
  return {
    schemas,
    schemaAliases: new Map(),
    extraSearchPath: options.list('db-extra-search-path'),
    maxRows: options.number('db-max-rows', 0, Number.MAX_SAFE_INTEGER),
    aggregatesEnabled: options.boolean('db-aggregates-enabled'),
    planEnabled: options.boolean('db-plan-enabled'),
    plannerCounts: true,
    preparedStatements: options.boolean('db-prepared-statements'),
    preRequest: qualified(options.text('db-pre-request')),
    rootSpec: qualified(options.text('db-root-spec')),
    tenantColumn: null,
    transactionEnd: options.choice('db-tx-end', [
      'commit',
      'commit-allow-override',
      'rollback',
      'rollback-allow-override',
    ]),
    appSettings: readAppSettings(sources),
    hoistedSettings: options.list('db-hoisted-tx-settings'),
    openapi: {
      document: { version: '2.0', listensAt: { host: server.host, port: server.port ?? 0 } },
      mode: options.choice('openapi-mode', ['follow-privileges', 'ignore-privileges', 'disabled']),
      securityActive: options.boolean('openapi-security-active'),
      serverProxyUri: readProxyUri(options),
    },
    traceHeader: options.text('server-trace-header'),
    serverTiming: options.boolean('server-timing-enabled'),
    errorVerbosity: options.choice('client-error-verbosity', ['verbose', 'minimal']),
    legacyTargetNames: options.boolean('url-use-legacy-target-names'),
    marksUnstorable: false,
    budgets: null,
    maxBodyBytes: readMaxBodyBytes(options, sources.env['MAX_BODY_BYTES']),
  };
}

/** The app settings by name, in order. The environment's override the file's. */
function readAppSettings({ env, file }: PostgrestConfigSources): [name: string, value: string][] {
  const settings = new Map<string, string>();
  for (const [key, value] of file) if (key.startsWith('app.settings.')) settings.set(key, String(value));
  for (const [name, value] of Object.entries(env)) {
    const [, rest] = /^PGRST_APP_SETTINGS_(.+)$/.exec(name) ?? [];
    if (rest !== undefined && value !== undefined) settings.set(`app.settings.${rest}`, value);
  }
  return [...settings].sort(([a], [b]) => (a < b ? -1 : 1));
}

function readProxyUri(options: OptionReader): string | null {
  const uri = options.text('openapi-server-proxy-uri');
  if (uri === null) return null;
  const parsed = URL.parse(uri);
  if (
    parsed === null ||
    !/^https?:\/\/[^/?#]/i.test(uri) ||
    parsed.username !== '' ||
    parsed.password !== '' ||
    parsed.port === '0' ||
    /[?#]/.test(uri)
  ) {
    options.problem(
      'openapi-server-proxy-uri',
      `is ${JSON.stringify(uri)}; an address such as https://example.com:8443/basePath is needed`,
    );
  }
  return uri;
}

function readMaxBodyBytes(options: OptionReader, value: string | undefined): number {
  if (value === undefined || value === '') return defaultMaxBodyBytes;
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (!(number >= 1024 && number <= 1_073_741_824)) {
    options.problems.push(
      `MAX_BODY_BYTES is ${JSON.stringify(value)}; a whole number from 1024 to 1073741824 is needed`,
    );
  }
  return number;
}

const lineFeed = 0x0a;

function readSecret(options: OptionReader, sources: PostgrestConfigSources): Buffer | null {
  const given = options.text('jwt-secret');
  if (given === null) return null;
  const secret = given.startsWith('@')
    ? readFileOf(options, 'jwt-secret', given, sources)
    : Buffer.from(given, 'utf8');
  if (secret === undefined) return null;
  const isLine = given.startsWith('@') && secret.at(-1) === lineFeed;
  const content = isLine ? secret.subarray(0, -1) : secret;
  if (!options.boolean('jwt-secret-is-base64')) return content;
  try {
    return decodeBase64Secret(content.toString('utf8'));
  } catch (error) {
    if (!(error instanceof JwtSecretError)) throw error;
    options.problem('jwt-secret', `cannot be used: ${error.message}`);
    return null;
  }
}

function readKeys(options: OptionReader, secret: Buffer): IdentificationOptions['keys'] {
  try {
    const keys = parseJwtSecret(secret, postgrestKeys);
    if (keys.length === 0) options.warn('jwt-secret', 'has no key that signatures can be verified with');
    return keys;
  } catch (error) {
    if (!(error instanceof JwtSecretError)) throw error;
    options.problem('jwt-secret', `cannot be used: ${error.message}`);
    return null;
  }
}

/** The audience. A value with a colon must be a URI (RFC 7519, 2: StringOrURI). */
function readAudience(options: OptionReader): string | null {
  const audience = options.text('jwt-aud');
  const uri = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/;
  if (audience?.includes(':') && !uri.test(audience)) {
    options.problem('jwt-aud', `is ${JSON.stringify(audience)}; text without a colon or a URI is needed`);
  }
  return audience;
}

function readRoleClaim(options: OptionReader): RoleClaim {
  const text = options.text('jwt-role-claim-key') ?? '$.role';
  try {
    const claim = parseRoleClaim(text);
    if (claim.deprecated) {
      options.warn(
        'jwt-role-claim-key',
        `is ${JSON.stringify(text)}, in the syntax before PostgREST 16, which is deprecated: write it as a JSON Path, such as $.role`,
      );
    }
    return claim;
  } catch (error) {
    if (!(error instanceof RoleClaimError)) throw error;
    options.problem('jwt-role-claim-key', `is ${JSON.stringify(text)}, not a JSON Path: ${error.message}`);
    return parseRoleClaim('$.role');
  }
}

function readDatabaseUri(options: OptionReader, sources: PostgrestConfigSources): Secret {
  const given = options.text('db-uri') ?? 'postgresql://';
  return new Secret(
    given.startsWith('@')
      ? (readFileOf(options, 'db-uri', given, sources)?.toString('utf8') ?? '').trim()
      : given,
  );
}

function readFileOf(
  options: OptionReader,
  name: 'db-uri' | 'jwt-secret',
  given: string,
  { readFile }: PostgrestConfigSources,
): Buffer | undefined {
  try {
    return readFile(given.slice(1));
  } catch (error) {
    options.problem(
      name,
      `names the file ${given.slice(1)}, which cannot be read: ${(error as Error).message}`,
    );
    return undefined;
  }
}

function readServer(options: OptionReader): ListenAddress {
  return {
    host: options.text('server-host') ?? '127.0.0.1',
    port: options.number('server-port', 0, 65_535),
    reusePort: options.boolean('server-reuseport'),
    socket: options.text('server-unix-socket'),
    socketMode: readSocketMode(options, 'server-unix-socket-mode'),
  };
}

function readAdmin(options: OptionReader, server: ListenAddress): ListenAddress {
  const port = options.number('admin-server-port', 0, 65_535);
  if (port !== null && port === server.port) {
    options.problem('admin-server-port', `is ${port}; it cannot be the same as server-port`);
  }
  return {
    host: options.text('admin-server-host') ?? server.host,
    port,
    reusePort: false,
    socket: options.text('admin-server-unix-socket'),
    socketMode: readSocketMode(options, 'admin-server-unix-socket-mode'),
  };
}

function readSocketMode(
  options: OptionReader,
  name: 'server-unix-socket-mode' | 'admin-server-unix-socket-mode',
): number {
  const text = options.text(name) ?? '660';
  const mode = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : NaN;
  if (!(mode >= 0o600 && mode <= 0o777)) {
    options.problem(name, `is ${JSON.stringify(text)}; an octal file mode from 600 to 777 is needed`);
  }
  return mode;
}

/** Splits a name at its first dot into schema and name; without a dot the schema is empty. */
function qualified(text: string | null): QualifiedName | null {
  if (text === null) return null;
  const dot = text.indexOf('.');
  return dot < 0 ? { schema: '', name: text } : { schema: text.slice(0, dot), name: text.slice(dot + 1) };
}
