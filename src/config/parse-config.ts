import path from 'node:path';
import { rolePrefixProblem } from '../db/roles.ts';
import type { Variables } from '../environment.ts';
import { logFormats, logLevels, usualLog } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { backupConfig } from './backup-config.ts';
import type { Config, EmbeddingsConfig, MetricsConfig } from './config.ts';
import { httpConfig } from './http-config.ts';
import { jwtConfig } from './jwt-config.ts';
import { OptionValues } from './option-values.ts';
import { formerNames } from './options.ts';
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
  const useDatabase = values.choice('USE_DATABASE', ['true', 'false']) !== 'false';
  const production = isProduction(values, env, server !== null && useDatabase);
  const config: Config = {
    dataDirectory,
    useDatabase,
    server,
    pool: poolConfig(values),
    rolePrefix: rolePrefix(values),
    production,
    jwt: jwtConfig(values, env, production),
    http: httpConfig(values, production),
    rest: {
      maxRows: values.integer('REST_MAX_ROWS', 1, 1_000_000),
      logStatements: values.flag('REST_LOG_STATEMENTS'),
      plans: values.flag('REST_PLANS'),
    },
    log: {
      level: values.choice('LOG_LEVEL', logLevels) ?? usualLog.level,
      format: values.choice('LOG_FORMAT', logFormats) ?? usualLog.format,
      slowRequestMs: values.integer('SLOW_REQUEST_MS', 1, 3_600_000),
    },
    metrics: metricsConfig(values),
    embeddings: embeddingsConfig(values),
    alertWebhook: values.httpUrl('ALERT_WEBHOOK_URL') === null ? null : values.secret('ALERT_WEBHOOK_URL'),
    anchors: {
      file: values.text('AUDIT_ANCHOR_FILE') === '' ? null : path.resolve(values.text('AUDIT_ANCHOR_FILE')),
      webhook: values.httpUrl('AUDIT_ANCHOR_URL') === null ? null : values.secret('AUDIT_ANCHOR_URL'),
    },
    backup: backupConfig(values, env, dataDirectory, server !== null),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function rolePrefix(values: OptionValues): string {
  const prefix = values.text('DB_ROLE_PREFIX');
  const problem = rolePrefixProblem(prefix);
  if (problem !== null) values.problems.push(problem);
  return prefix;
}

/**
 * A server is where other people's data is, so it counts as production until somebody says otherwise: a forgotten option then
 * refuses a start, and does not open a door. NODE_ENV is what platforms set.
 */
function isProduction(values: OptionValues, env: Variables, isServer: boolean): boolean {
  const said = values.choice('DEPLOYMENT', ['production', 'development']);
  return said === undefined ? isServer || env['NODE_ENV'] === 'production' : said === 'production';
}

function metricsConfig(values: OptionValues): MetricsConfig | null {
  const port = values.text('METRICS_PORT');
  if (port === 'off') return null;
  return {
    host: values.text('METRICS_HOST'),
    port: port === '' ? null : values.integer('METRICS_PORT', 0, 65_535),
  };
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
