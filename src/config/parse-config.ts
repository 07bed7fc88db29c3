import path from 'node:path';
import type { Variables } from '../environment.ts';
import { OperationalError } from '../operational-error.ts';
import { backupConfig } from './backup-config.ts';
import type { Config, EmbeddingsConfig } from './config.ts';
import { httpConfig } from './http-config.ts';
import { OptionValues } from './option-values.ts';
import { formerNames } from './options.ts';
import { Secret } from './secret.ts';
import { poolConfig, serverConfig } from './server-config.ts';

/** The environment cannot be used. `problems` has one sentence for each fault. */
export class ConfigError extends OperationalError {
  override name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Parses the environment. Throws one ConfigError that names every problem. An empty value counts as absent. */
export function parseConfig(env: Variables): Config {
  const values = new OptionValues(env);
  const { problems } = values;
  for (const [former, name] of Object.entries(formerNames)) {
    if (env[former]) problems.push(`${former} is set, but is no longer read; set ${name} instead`);
  }
  const server = serverConfig(values);
  const dataDirectory = path.resolve(values.text('DATA_DIR'));
  const config: Config = {
    dataDirectory,
    useDatabase: values.choice('USE_DATABASE', ['true', 'false']) !== 'false',
    server,
    pool: poolConfig(values),
    rolePrefix: rolePrefix(values),
    jwtSecret: jwtSecret(values, server !== null),
    http: httpConfig(values),
    rest: {
      maxRows: values.integer('REST_MAX_ROWS', 1, 1_000_000),
      logStatements: values.flag('REST_LOG_STATEMENTS'),
      plans: values.flag('REST_PLANS'),
    },
    embeddings: embeddingsConfig(values),
    alertWebhook: values.httpUrl('ALERT_WEBHOOK_URL') === null ? null : values.secret('ALERT_WEBHOOK_URL'),
    backup: backupConfig(values, env, dataDirectory, server !== null),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function rolePrefix(values: OptionValues): string {
  const prefix = values.text('DB_ROLE_PREFIX');
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(prefix)) {
    values.problems.push(
      `DB_ROLE_PREFIX is ${JSON.stringify(prefix)}; expected lower case letters, digits and _, beginning with a letter`,
    );
  }
  return prefix;
}

function jwtSecret(values: OptionValues, isServer: boolean): Secret | null {
  const secret = values.text('JWT_SECRET');
  if (secret !== '' && Buffer.byteLength(secret) < 32) {
    values.problems.push(`JWT_SECRET has ${Buffer.byteLength(secret)} bytes; HS256 needs 32 or more`);
  }
  if (secret === '' && isServer) {
    values.problems.push(
      'JWT_SECRET is missing; a server database needs one that all processes share, made with: openssl rand -hex 32',
    );
  }
  return secret === '' ? null : new Secret(secret);
}

function embeddingsConfig(values: OptionValues): EmbeddingsConfig | null {
  const url = values.httpUrl('EMBEDDINGS_URL');
  if (url === null) return null;
  return {
    url: url.replace(/\/embeddings$/, ''),
    model: values.text('EMBEDDINGS_MODEL'),
    apiKey: values.secret('EMBEDDINGS_API_KEY'),
  };
}
